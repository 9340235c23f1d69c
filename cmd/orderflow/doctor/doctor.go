// Package doctor examines a deployed stack: whether all is there that orders need, and works. It
// only reads.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
)

// Severity says how bad a problem is.
type Severity string

const (
	// Failure keeps orders, mails or alarms from working.
	Failure Severity = "failure"
	// Warning is what a shop wants to know before it sells.
	Warning Severity = "warning"
)

// Problem is one thing that is wrong.
type Problem struct {
	Severity Severity `json:"severity"`
	Part     string   `json:"part"` // what it is about, by its name
	Detail   string   `json:"detail"`
	Remedy   string   `json:"remedy"`
}

// Check is what was examined.
type Check struct {
	Name     string    `json:"name"`
	Skipped  bool      `json:"skipped"`
	Detail   string    `json:"detail"` // what was found, or why the check was skipped
	Problems []Problem `json:"problems"`
}

// Has reports whether the check found a problem of a severity.
func (c Check) Has(s Severity) bool {
	return slices.ContainsFunc(c.Problems, func(p Problem) bool { return p.Severity == s })
}

// Report is the result of all checks, in their order.
type Report struct {
	Stack    string  `json:"stack"`
	Checks   []Check `json:"checks"`
	Failures int     `json:"failures"`
	Warnings int     `json:"warnings"`
}

// Add puts a check into the report, and counts its problems.
func (r *Report) Add(c Check) {
	if c.Problems == nil {
		c.Problems = []Problem{}
	}
	for _, p := range c.Problems {
		if p.Severity == Failure {
			r.Failures++
		} else {
			r.Warnings++
		}
	}
	r.Checks = append(r.Checks, c)
}

// resource is a part of the stack, or of a stack in it.
type resource struct {
	logical, physical, kind string
}

// patient is the stack that is examined.
type patient struct {
	*deployment.Deployment
	resources []resource
	config    aws.Config
	connect   Connect
}

// Connect gives a client of the API with an operator's token.
type Connect func(context.Context) (*shop.Client, error)

// of are the stack's resources of a CloudFormation type.
func (p *patient) of(kind string) []resource {
	var found []resource
	for _, r := range p.resources {
		if r.kind == kind {
			found = append(found, r)
		}
	}
	return found
}

// atOnce bounds the requests that are under way.
const atOnce = 8

// examination is one check.
type examination struct {
	name string
	run  func(context.Context, *patient) (Check, error)
}

func examinations() []examination {
	return []examination{
		{"stack", stackStatus},
		{"concurrency", concurrency},
		{"functions", functions},
		{"event source mappings", mappings},
		{"rules", rules},
		{"schedules", schedules},
		{"state machine", machine},
		{"tables", tables},
		{"personal data key", key},
		{"queues", queues},
		{"dead letters", deadLetters},
		{"alarms", alarms},
		{"alarm mail", alarmMail},
		{"customer mail", customerMail},
		{"identity", identity},
		{"api", api},
	}
}

// Examine makes all checks. What a check can't read is a failure of that check; an error says that
// nothing could be examined.
func Examine(ctx context.Context, d *deployment.Deployment, connect Connect) (Report, error) {
	p := &patient{Deployment: d, config: d.Config(), connect: connect}
	if err := p.list(ctx, d.ID); err != nil {
		return Report{}, err
	}
	all := examinations()
	checks := make([]Check, len(all))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, e := range all {
		group.Go(func() error {
			c, err := e.run(within, p)
			if within.Err() != nil {
				return within.Err()
			}
			if err != nil {
				c.Problems = append(c.Problems, unreadable(err))
			}
			c.Name = e.name
			checks[i] = c
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Report{}, err
	}
	report := Report{Stack: d.Stack}
	for _, c := range checks {
		report.Add(c)
	}
	return report, nil
}

// unreadable is the problem that a check could not be made.
func unreadable(err error) Problem {
	remedy := "try again; if it stays, see the message"
	var answer smithy.APIError
	if errors.As(err, &answer) && strings.Contains(answer.ErrorCode(), "AccessDenied") {
		remedy = "give your own credentials the permission that the message names; the check only reads"
	}
	return Problem{Severity: Failure, Part: "this check", Detail: err.Error(), Remedy: remedy}
}

// list reads the resources of a stack and of those in it.
func (p *patient) list(ctx context.Context, stack string) error {
	pages := cloudformation.NewListStackResourcesPaginator(
		cloudformation.NewFromConfig(p.config), &cloudformation.ListStackResourcesInput{StackName: &stack},
	)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the resources of %s: %w", stack, err)
		}
		for _, s := range page.StackResourceSummaries {
			r := resource{
				logical: aws.ToString(s.LogicalResourceId), physical: aws.ToString(s.PhysicalResourceId),
				kind: aws.ToString(s.ResourceType),
			}
			p.resources = append(p.resources, r)
			if r.kind == "AWS::CloudFormation::Stack" {
				if err := p.list(ctx, r.physical); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// each looks at resources, several at once, and gathers their problems in the order of the
// resources.
func each(
	ctx context.Context, resources []resource, look func(context.Context, resource) ([]Problem, error),
) (problems []Problem, err error) {
	found := make([][]Problem, len(resources))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, r := range resources {
		group.Go(func() (err error) {
			if found[i], err = look(within, r); err != nil {
				return fmt.Errorf("%s: %w", r.logical, err)
			}
			return nil
		})
	}
	err = group.Wait()
	for _, some := range found {
		problems = append(problems, some...)
	}
	return problems, err
}
