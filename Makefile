# make help lists the targets. They need Linux with Go >= 1.26, Python >= 3.10 with venv, and make.
# All else is installed, pinned, into .tools/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PORT ?= 4599
LIMIT ?= 200
ROUNDS ?= 3
ORDERS ?= 80
SAMPLE ?=
BASE ?=
SEED ?=
PYTHON ?= python3
export PYTHON

# No version control stamp: it would change all binaries with each commit. Where another user owns
# the checkout, Git refuses Go an answer ("dubious ownership") and the build ends.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

GOLANGCI_LINT := 2.15.0
ACTIONLINT := 1.7.12
TAGS := integration,e2e

emulator := .tools/emulator/installed
faults := .tools/faults/installed
sam := .tools/sam/installed
checkov := .tools/checkov/installed
asl := .tools/node/installed
asyncapi := .tools/asyncapi/installed
eventcatalog := .tools/eventcatalog/installed
docs := .tools/docs/installed
browser := .tools/console/installed
dynamodb_local := .tools/dynamodb-local/installed
golangci_lint := .tools/golangci-lint-$(GOLANGCI_LINT)/golangci-lint
actionlint := .tools/actionlint-$(ACTIONLINT)/actionlint

# Tests run against DynamoDB Local as well, where the machine has Java and Maven.
# infra/local/test.sh says so where it hasn't.
dynamodb_local_if_java = $(if $(shell infra/local/require.sh java 2>&1),,$(dynamodb_local))

STACK_FILES = template.yaml $(wildcard infra/*.yaml)
MACHINES = $(wildcard statemachines/*.asl.json)

##@ Use

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z0-9\/-]*:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile
	@printf '\nVariables, with their values now:\n'
	@printf '  %-23s %s\n' "PORT=$(PORT)" 'port of the local AWS' "LIMIT=$(LIMIT)" 'purchases that make run imports; 0 for all' \
		"ROUNDS=$(ROUNDS)" 'rounds of make load' "ORDERS=$(ORDERS)" 'orders of each round; of make simulate, 300' \
		"SAMPLE=$(SAMPLE)" 'sample event that make sam-local calls a function with; all when empty' \
		"SEED=$(SEED)" 'draws what make simulate does; any when empty' \
		"BASE=$(BASE)" 'another checkout that make load measures beside this one' \
		"PYTHON=$(PYTHON)" 'Python that installs the tools and runs the local AWS'
	@printf '\nBegin with make run, then docs/tutorials/first-order.md. All pages: docs/README.md\n'

run: go-present linux $(emulator) $(sam) bin/orderflow bin/sam ## start the local AWS, deploy to it, import a real shop's purchases
	@infra/local/run.sh "$(PORT)" "$(LIMIT)"

stop: ## end what make run started, and nothing else
	@$(PYTHON) infra/local/emulator.py stop $(if $(filter command environment,$(firstword $(origin PORT))),--port $(PORT))

status: ## show what make run started; nothing running is no error
	@$(PYTHON) infra/local/emulator.py status || { [ $$? = 1 ] && echo 'make run starts one'; }

console: go-present bin/orderflow ## open the operators' console of make run's stack
	@. infra/local/env.sh; use_endpoint "http://127.0.0.1:$(PORT)"; bin/orderflow console --open

deploy-local: go-present linux $(emulator) $(sam) ## start the local AWS and deploy to it, no import
	@endpoint=$$($(PYTHON) infra/local/emulator.py start --port "$(PORT)"); infra/local/deploy.sh "$$endpoint" orderflow-local SimulatedCarrier=true PaymentMinutes=0

sam-local: go-present $(sam) ## call each function in its container, against make run's stack; needs Docker; SAMPLE=name for one call
	@.tools/sam/bin/python infra/local/sam_local.py "$(PORT)" $(if $(SAMPLE),"$(SAMPLE)")

bin/orderflow: go-present FORCE ## build the command-line program
	@go build -o $@ ./cmd/orderflow

bin/sam: $(sam) ## put the pinned SAM CLI where it can be called
	@mkdir -p $(@D)
	@printf '%s\n' '#!/bin/sh' '# The SAM CLI that the project pins. Telemetry is off unless SAM_CLI_TELEMETRY says otherwise.' \
		'SAM_CLI_TELEMETRY=$${SAM_CLI_TELEMETRY:-0} exec "$$(dirname "$$0")/../.tools/sam/bin/python" -m samcli "$$@"' >$@
	@chmod +x $@

build: go-present $(sam) bin/sam ## build what sam deploy takes to an account
	CGO_ENABLED=0 GOFLAGS="$$GOFLAGS $$(<infra/goflags)" go build ./...
	CGO_ENABLED=0 GOFLAGS="$$GOFLAGS $$(<infra/goflags)" SAM_CLI_TELEMETRY=0 .tools/sam/bin/python -m samcli build

##@ Check

# Only a target that asks for it looks for Java.
.SECONDEXPANSION:

# With --jobs=2, the tools are installed beside the unit tests, which need none, and then two halves of what needs an emulator
# run beside each other, about equally long. They measure time-outs, so that nothing else runs beside them.
test: half-system half-parts ## all tests; those that need one get an emulator of their own

half-system half-parts: units linux $(emulator) $(faults) $(sam) $(browser) $$(dynamodb_local_if_java) | $(filter lint,$(MAKECMDGOALS))

half-system:
	@infra/local/test.sh e2e-system

half-parts:
	@infra/local/test.sh integration
	@infra/local/test.sh e2e-tools

# It has no prerequisites: make would begin with it only once it has begun with the tools. make lint checks the rules as well.
units:
	@infra/local/require.sh go
	@infra/local/test.sh unit $(if $(filter lint,$(MAKECMDGOALS)),,rules)

test-unit: go-present ## tests that need no emulator, in seconds
	@go test -shuffle=on ./...

test-integration: go-present linux $(emulator) $(faults) $(sam) $$(dynamodb_local_if_java) ## tests of adapters, services and the saga against the local AWS
	@infra/local/test.sh integration

test-e2e: go-present linux $(emulator) $(faults) $(sam) $(browser) ## tests of a freshly deployed stack, over HTTP
	@infra/local/test.sh e2e

test-console: go-present linux $(emulator) $(sam) $(browser) ## tests of the operators' console in a real browser; screenshots are in .local/console
	@infra/local/test.sh console

bench: go-present linux $(dynamodb_local) ## measure starts, handlers and the event store; needs Java >= 17 and Maven
	@infra/local/bench.sh $(if $(PROFILE),--profile "$(PROFILE)")

load: go-present linux $(emulator) $(sam) bin/orderflow ## place orders of a real shop, and measure; BASE=../other measures another checkout beside it
	@.tools/sam/bin/python infra/local/load.py --rounds "$(ROUNDS)" --orders "$(ORDERS)" $(if $(BASE),--base "$(BASE)")

simulate: go-present linux $(emulator) $(sam) ## have a deployed stack live through random histories with kill -9 and duplicates, and verify it; SEED=7 ORDERS=500
	@SEED="$(or $(SEED),0)" ORDERS="$(if $(filter command environment,$(firstword $(origin ORDERS))),$(ORDERS),300)" infra/local/test.sh simulate

lint: go-present $(sam) $(checkov) $(asl) $(asyncapi) $(eventcatalog) $(golangci_lint) $(actionlint) ## all static checks: formatting, linters, templates, rules
	@unformatted=$$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l); \
		[ -z "$$unformatted" ] || { printf 'not formatted by gofmt:\n%s\n' "$$unformatted" >&2; exit 1; }
	$(golangci_lint) run --allow-parallel-runners --build-tags $(TAGS)
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/python -m samcli validate --lint
	.tools/sam/bin/python infra/local/regions.py infra/regions.txt $(STACK_FILES)
	.tools/checkov/bin/checkov --config-file infra/local/checkov.yaml --file $(STACK_FILES)
	$(actionlint) -shellcheck= -pyflakes= $(wildcard .github/workflows/*.yml)
	NODE_PATH=.tools/node/node_modules .tools/node/bin/node infra/local/asl/lint.js $(MACHINES)
	NODE_PATH=.tools/node/node_modules .tools/node/bin/node --test --test-reporter=dot infra/local/asl/lint_test.js
	NODE_PATH=.tools/asyncapi/node_modules .tools/node/bin/node infra/local/asyncapi/lint.js events/asyncapi.yaml
	rm -rf .local/eventcatalog && go run ./cmd/orderflow events export .local/eventcatalog
	NODE_PATH=.tools/eventcatalog/node_modules .tools/node/bin/node infra/local/eventcatalog/lint.js .local/eventcatalog
	NODE_PATH=.tools/eventcatalog/node_modules .tools/node/bin/node --test --test-reporter=dot infra/local/eventcatalog/lint_test.js
	go test ./shared/archtest

screenshots: go-present linux $(emulator) $(sam) $(browser) bin/orderflow ## take the pictures of docs/images anew, of a stack as make run leaves it
	@infra/local/test.sh screenshots

docs: go-present bin/orderflow $(docs) ## build the documentation's site into .local/docs; a broken link fails
	@.tools/docs/bin/python infra/local/docs/site_test.py
	@infra/local/docs/build.sh . .local/docs

##@ Tidy up

clean: ## remove what was built, and what emulators that have ended left
	rm -rf bin .aws-sam .local/deploy .local/docs .local/eventcatalog
	@$(PYTHON) infra/local/emulator.py clean

distclean: stop clean ## remove the installed tools too
	rm -rf .tools .local

##@ Tools

tools: $(emulator) $(faults) $(sam) bin/sam $(checkov) $(asl) $(asyncapi) $(eventcatalog) $(docs) $(browser) $(golangci_lint) $(actionlint) ## install all tools now; each target installs what it needs by itself

$(emulator): infra/local/requirements-emulator.txt infra/local/venv.sh
	@infra/local/venv.sh .tools/emulator $<
	@touch $@

$(faults): infra/local/requirements-faults.txt infra/local/venv.sh
	@infra/local/venv.sh .tools/faults $<
	@touch $@

$(sam): infra/local/requirements-sam.txt infra/local/venv.sh
	@infra/local/venv.sh .tools/sam $<
	@touch $@

$(checkov): infra/local/requirements-checkov.txt infra/local/venv.sh
	@infra/local/venv.sh .tools/checkov $<
	@touch $@

$(asl): infra/local/requirements-node.txt infra/local/venv.sh $(addprefix infra/local/asl/,install.sh package.json package-lock.json)
	@infra/local/venv.sh .tools/node $<
	@infra/local/asl/install.sh .tools/node
	@touch $@

$(asyncapi) $(eventcatalog): .tools/%/installed: infra/local/%/package.json infra/local/%/package-lock.json infra/local/npm.sh | $(asl)
	@infra/local/npm.sh $(@D) .tools/node infra/local/$*
	@touch $@

$(browser): infra/local/npm.sh $(wildcard infra/local/console/*) | $(asl)
	@infra/local/npm.sh $(@D) .tools/node infra/local/console
	@.tools/node/bin/node infra/local/console/unpack.js $(@D)
	@touch $@

$(docs): infra/local/requirements-docs.txt infra/local/venv.sh infra/local/npm.sh $(addprefix infra/local/docs/,package.json package-lock.json) | $(asl)
	@infra/local/venv.sh $(@D) $<
	@infra/local/npm.sh $(@D) .tools/node infra/local/docs
	@touch $@

$(dynamodb_local): $(wildcard infra/local/dynamodb-local/*) | linux
	@infra/local/dynamodb-local/install.sh .tools/dynamodb-local
	@touch $@

$(golangci_lint): | go-present
	@echo "installing golangci-lint $(GOLANGCI_LINT)"
	@GOBIN=$(abspath $(@D)) GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT)

$(actionlint): | go-present
	@echo "installing actionlint $(ACTIONLINT)"
	@GOBIN=$(abspath $(@D)) GOFLAGS= go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT)

go-present:
	@infra/local/require.sh go

linux:
	@infra/local/require.sh linux

FORCE:

.PHONY: help run stop status console deploy-local sam-local build test half-system half-parts units test-unit test-integration test-e2e test-console bench load simulate lint screenshots docs clean distclean tools go-present linux FORCE
