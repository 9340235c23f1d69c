package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"orderflow/shared/aws/redrive"
	"orderflow/shared/ops/scale"
)

func isProd(p *patient) bool { return p.Parameters["Stage"] == "prod" }

func stackStatus(_ context.Context, p *patient) (Check, error) {
	c := Check{Detail: p.Status}
	problem := func(s Severity, detail, remedy string) {
		c.Problems = append(c.Problems, Problem{Severity: s, Part: p.Stack, Detail: detail, Remedy: remedy})
	}
	switch {
	case strings.HasSuffix(p.Status, "_IN_PROGRESS"):
		problem(Warning, p.Status, "wait until the deployment has ended, then run the doctor again")
	case p.Status == "UPDATE_ROLLBACK_COMPLETE":
		problem(Warning, "the last update failed and was undone", "read the stack's events, and deploy again")
	case p.Status != "CREATE_COMPLETE" && p.Status != "UPDATE_COMPLETE" && p.Status != "IMPORT_COMPLETE":
		problem(Failure, p.Status, "read the stack's events; docs/howto/deploy.md says how to continue")
	}
	if isProd(p) && !p.Protected {
		problem(
			Warning, "the stack itself can be deleted",
			"aws cloudformation update-termination-protection --enable-termination-protection --stack-name "+p.Stack,
		)
	}
	return c, nil
}

// The quota "Concurrent executions" of Lambda, as Service Quotas calls it.
const (
	lambdaQuota      = "lambda"
	concurrencyQuota = "L-B99A9384"
)

func concurrency(ctx context.Context, p *patient) (Check, error) {
	if p.Emulated() {
		return Check{Skipped: true, Detail: "an emulator has no quotas"}, nil
	}
	out, err := servicequotas.NewFromConfig(p.config).GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{
		ServiceCode: aws.String(lambdaQuota), QuotaCode: aws.String(concurrencyQuota),
	})
	if err != nil {
		return Check{}, err
	}
	if out.Quota == nil || out.Quota.Value == nil {
		return Check{}, fmt.Errorf("quota %s has no value", concurrencyQuota)
	}
	return executions(int(*out.Quota.Value), p.Parameters["Scale"], isProd(p))
}

// executions holds an account's quota against what the parameter Scale is made for.
func executions(quota int, size string, prod bool) (Check, error) {
	sizes, err := scale.Sizes()
	if err != nil {
		return Check{}, err
	}
	wanted, known := sizes[size]
	if !known {
		return Check{}, fmt.Errorf("unknown Scale %q", size)
	}
	c := Check{Detail: fmt.Sprintf("%d concurrent executions", quota)}
	problem := func(s Severity, detail, remedy string) {
		c.Problems = append(c.Problems, Problem{Severity: s, Part: concurrencyQuota, Detail: detail, Remedy: remedy})
	}
	switch usual := sizes["standard"].Quota; {
	case quota < wanted.Quota:
		problem(
			Failure,
			fmt.Sprintf("Scale=%s is for %d concurrent executions, and Lambda allows %d", size, wanted.Quota, quota),
			fmt.Sprintf("ask for %d in Service Quotas, or deploy with a smaller Scale (docs/scale.md)", wanted.Quota),
		)
	case prod && quota < usual:
		problem(
			Warning, fmt.Sprintf("Lambda runs at most %d functions at once in this account and region", quota),
			fmt.Sprintf("ask for %d in Service Quotas before you sell, and deploy with Scale=standard", usual),
		)
	}
	return c, nil
}

func functions(ctx context.Context, p *patient) (Check, error) {
	all := p.of("AWS::Lambda::Function")
	client := lambda.NewFromConfig(p.config)
	problems, err := each(ctx, all, func(ctx context.Context, r resource) ([]Problem, error) {
		out, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{
			FunctionName: &r.physical, Qualifier: aws.String(redrive.Alias), // what is invoked
		})
		if err != nil {
			return nil, err
		}
		found := functionState(r.physical, out.State, out.LastUpdateStatus, aws.ToString(out.StateReason))
		kept, err := client.GetFunctionConcurrency(
			ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &r.physical},
		)
		if err != nil {
			return found, err
		}
		return append(found, stopped(r.physical, kept.ReservedConcurrentExecutions)...), nil
	})
	return Check{Detail: fmt.Sprintf("%d", len(all)), Problems: problems}, err
}

// stopped tells of a function that somebody keeps from running, by reserving nothing for it.
func stopped(name string, reserved *int32) []Problem {
	if reserved == nil || *reserved > 0 {
		return nil
	}
	return []Problem{{
		Severity: Failure, Part: name, Detail: "its reserved concurrency is 0: it is never run",
		Remedy: "aws lambda delete-function-concurrency, once you know why; then deploy again",
	}}
}

func functionState(name string, s lambdatypes.State, last lambdatypes.LastUpdateStatus, reason string) []Problem {
	if last == lambdatypes.LastUpdateStatusFailed {
		return []Problem{{
			Severity: Failure, Part: name, Detail: "its last update failed " + reason, Remedy: "deploy again",
		}}
	}
	switch s {
	case lambdatypes.StateActive, lambdatypes.StateInactive: // inactive until it is called again
		return nil
	case lambdatypes.StatePending:
		return []Problem{{
			Severity: Warning, Part: name, Detail: "it is being made", Remedy: "run the doctor again in a minute",
		}}
	}
	return []Problem{{
		Severity: Failure, Part: name, Detail: fmt.Sprintf("its state is %q %s", s, reason), Remedy: "deploy again",
	}}
}

func mappings(ctx context.Context, p *patient) (Check, error) {
	all := p.of("AWS::Lambda::EventSourceMapping")
	client := lambda.NewFromConfig(p.config)
	problems, err := each(ctx, all, func(ctx context.Context, r resource) ([]Problem, error) {
		out, err := client.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &r.physical})
		if err != nil {
			return nil, err
		}
		state := aws.ToString(out.State)
		if !p.wants(r.logical) && state == "Disabled" {
			return nil, nil
		}
		return mappingState(r.logical, state, aws.ToString(out.LastProcessingResult)), nil
	})
	return Check{Detail: fmt.Sprintf("%d", len(all)), Problems: problems}, err
}

// mappingState reads the states of an event source mapping, and what became of its last batch:
// AWS's words for that are "OK", "No records processed" and ones that begin with "PROBLEM".
func mappingState(name, state, last string) (problems []Problem) {
	switch state {
	case "Enabled":
	case "Creating", "Enabling", "Updating":
		problems = append(problems, Problem{
			Severity: Warning, Part: name, Detail: "it is " + strings.ToLower(state),
			Remedy: "run the doctor again in a minute",
		})
	default:
		problems = append(problems, Problem{
			Severity: Failure, Part: name, Detail: fmt.Sprintf("it is %q: nothing reaches its function", state),
			Remedy: "aws lambda update-event-source-mapping --enabled, once you know why it was turned off",
		})
	}
	if strings.HasPrefix(last, "PROBLEM") {
		problems = append(problems, Problem{
			Severity: Warning, Part: name, Detail: "its last batch: " + last, Remedy: "read the function's log",
		})
	}
	return problems
}

// offOnPurpose are rules and mappings that a parameter turns off: by their logical id, the
// parameter and the value that keeps them on, which for "" is any.
var offOnPurpose = map[string]struct{ parameter, on string }{
	"SimulateCarrierRule":             {"SimulatedCarrier", "true"},
	"SimulateCarrierFunctionMessages": {"SimulatedCarrier", "true"},
	"SendMailsRule":                   {"MailFrom", ""},
	"MailBouncedRule":                 {"MailFrom", ""},
	"MailComplainedRule":              {"MailFrom", ""},
	"MailRejectedRule":                {"MailFrom", ""},
	"FollowMailsFunctionMessages":     {"MailFrom", ""},
}

// wants reports whether the parameters want a rule or a mapping to be on.
func (p *patient) wants(logical string) bool {
	off, can := offOnPurpose[logical]
	if !can {
		return true
	}
	value := p.Parameters[off.parameter]
	return value != "" && (off.on == "" || value == off.on)
}

func rules(ctx context.Context, p *patient) (Check, error) {
	all := p.of("AWS::Events::Rule")
	client := eventbridge.NewFromConfig(p.config)
	problems, err := each(ctx, all, func(ctx context.Context, r resource) ([]Problem, error) {
		bus, name := p.Outputs["BusName"], r.physical
		if before, after, both := strings.Cut(r.physical, "|"); both {
			bus, name = before, after
		}
		out, err := client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: &bus})
		var unknown *eventbridgetypes.ResourceNotFoundException
		if errors.As(err, &unknown) { // what services say of themselves is on the account's default bus
			out, err = client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name})
		}
		if err != nil {
			return nil, err
		}
		return ruleState(r.logical, out.State, p.wants(r.logical)), nil
	})
	return Check{Detail: fmt.Sprintf("%d", len(all)), Problems: problems}, err
}

func ruleState(name string, state eventbridgetypes.RuleState, wanted bool) []Problem {
	if on := state != eventbridgetypes.RuleStateDisabled; on == wanted {
		return nil
	}
	return []Problem{{
		Severity: Failure, Part: name,
		Detail: fmt.Sprintf("it is %s, which the parameters don't say", state), Remedy: "deploy again",
	}}
}

func schedules(ctx context.Context, p *patient) (Check, error) {
	all := p.of("AWS::Scheduler::Schedule")
	group := ""
	for _, g := range p.of("AWS::Scheduler::ScheduleGroup") {
		group = g.physical
	}
	client := scheduler.NewFromConfig(p.config)
	problems, err := each(ctx, all, func(ctx context.Context, r resource) ([]Problem, error) {
		out, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &r.physical, GroupName: &group})
		if err != nil {
			return nil, err
		}
		if out.State == schedulertypes.ScheduleStateDisabled {
			return []Problem{{
				Severity: Failure, Part: r.logical, Detail: "it is disabled", Remedy: "enable it, or deploy again",
			}}, nil
		}
		return nil, nil
	})
	return Check{Detail: fmt.Sprintf("%d", len(all)), Problems: problems}, err
}

func machine(ctx context.Context, p *patient) (Check, error) {
	arn, err := p.Output("SagaArn")
	if err != nil {
		return Check{}, err
	}
	out, err := sfn.NewFromConfig(p.config).DescribeStateMachine(
		ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &arn},
	)
	if err != nil {
		return Check{}, err
	}
	c := Check{Detail: string(out.Status)}
	if out.Status != sfntypes.StateMachineStatusActive {
		c.Problems = append(c.Problems, Problem{
			Severity: Failure, Part: aws.ToString(out.Name), Detail: "it is " + string(out.Status),
			Remedy: "deploy again",
		})
	}
	return c, nil
}

// withoutBackup are the tables whose content must not come back, or is made again.
var withoutBackup = map[string]bool{"KeysTable": true, "SnapshotsTable": true}

func tables(ctx context.Context, p *patient) (Check, error) {
	all := p.of("AWS::DynamoDB::Table")
	client := dynamodb.NewFromConfig(p.config)
	protect := p.Parameters["DeletionProtection"] == "true"
	problems, err := each(ctx, all, func(ctx context.Context, r resource) ([]Problem, error) {
		out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &r.physical})
		if err != nil {
			return nil, err
		}
		found := tableState(r.physical, out.Table, protect)
		if p.Parameters["PointInTimeRecovery"] != "true" || withoutBackup[r.logical] {
			return found, nil
		}
		backups, err := client.DescribeContinuousBackups(
			ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &r.physical},
		)
		if err != nil {
			return found, err
		}
		return append(found, backedUp(r.physical, backups.ContinuousBackupsDescription)...), nil
	})
	return Check{Detail: fmt.Sprintf("%d", len(all)), Problems: problems}, err
}

func tableState(name string, t *dynamodbtypes.TableDescription, protect bool) (problems []Problem) {
	if t.TableStatus != dynamodbtypes.TableStatusActive && t.TableStatus != dynamodbtypes.TableStatusUpdating {
		problems = append(problems, Problem{
			Severity: Failure, Part: name, Detail: "it is " + string(t.TableStatus), Remedy: "see the DynamoDB console",
		})
	}
	if protect && !aws.ToBool(t.DeletionProtectionEnabled) {
		problems = append(problems, Problem{
			Severity: Warning, Part: name, Detail: "it can be deleted, which DeletionProtection should refuse",
			Remedy: "deploy again, or protect it by hand",
		})
	}
	return problems
}

func backedUp(name string, b *dynamodbtypes.ContinuousBackupsDescription) []Problem {
	if b != nil && b.PointInTimeRecoveryDescription != nil &&
		b.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == dynamodbtypes.PointInTimeRecoveryStatusEnabled {
		return nil
	}
	return []Problem{{
		Severity: Warning, Part: name, Detail: "it has no point-in-time recovery, which the parameter asks for",
		Remedy: "deploy again, or turn it on by hand",
	}}
}

func key(ctx context.Context, p *patient) (Check, error) {
	keys := p.of("AWS::KMS::Key")
	client := kms.NewFromConfig(p.config)
	problems, err := each(ctx, keys, func(ctx context.Context, r resource) ([]Problem, error) {
		out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &r.physical})
		if err != nil {
			return nil, err
		}
		return keyState(r.physical, out.KeyMetadata), nil
	})
	return Check{Detail: fmt.Sprintf("%d", len(keys)), Problems: problems}, err
}

func keyState(id string, k *kmstypes.KeyMetadata) []Problem {
	switch k.KeyState {
	case kmstypes.KeyStateEnabled:
		return nil
	case kmstypes.KeyStatePendingDeletion:
		return []Problem{{
			Severity: Failure, Part: id,
			Detail: "its deletion is scheduled: all personal data would be lost with it",
			Remedy: "aws kms cancel-key-deletion, then aws kms enable-key",
		}}
	}
	return []Problem{{
		Severity: Failure, Part: id,
		Detail: fmt.Sprintf("it is %s: nobody can be registered, shipped to or written to", k.KeyState),
		Remedy: "aws kms enable-key",
	}}
}
