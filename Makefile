# make build     bin/lvsd, static                make test    what must pass before a change is accepted
# make install   under DESTDIR and PREFIX        make lint    the linters in tools/
# make demo      the main job in a minute        make bench   the figures; make soak: hours; make fuzz: the parsers
# make lab       a shell among two directors, three real servers and a client; CMD='...' runs one line there instead
#
# LAB=host runs the lab's tests on the running kernel instead of a user-mode Linux. test/README.md says more.

GO      ?= $(or $(shell command -v go),/usr/local/go/bin/go)
DESTDIR ?=
PREFIX  ?= /usr/local
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)

# Packages whose tests boot a kernel are those that import the lab; the others run with the race detector.
LAB_IMPORT := github.com/lvsd/lvsd/test/lab
MARK       := {{$$lab := "unit"}}{{range .XTestImports}}{{if eq . "$(LAB_IMPORT)" "$(LAB_IMPORT)/kernel"}}{{$$lab = "lab"}}{{end}}{{end}}{{range .TestImports}}{{if eq . "$(LAB_IMPORT)" "$(LAB_IMPORT)/kernel"}}{{$$lab = "lab"}}{{end}}{{end}}{{$$lab}} {{.ImportPath}}
PACKAGES    = $(shell $(GO) list -f '$(MARK)' ./... | sed -n 's/^$(1) //p')

# Budgets: what a suite may take, in minutes, on two cores (test/README.md has the table). Past it, it fails.
UNIT_MINUTES := 6
LAB_MINUTES  := 12
BUDGET        = timeout --signal=TERM --kill-after=30 $(1)m $(GO) test -timeout $(1)m
FUZZ_TIME    ?= 30s

.PHONY: build install demo test unit e2e e2e-scenarios e2e-faults e2e-pair e2e-units e2e-lab vet lint bench soak fuzz lab deps ci clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/lvsd ./cmd/lvsd

# It takes what make build made, so that root needs no Go; a start afterwards is root's: see README.md.
install:
	@[ -x bin/lvsd ] || { echo "make build comes first" >&2; exit 1; }
	install -D -m 755 bin/lvsd $(DESTDIR)$(PREFIX)/sbin/lvsd
	@tools/install-files "$(DESTDIR)" "$(PREFIX)"

demo: deps build
	@$(GO) run ./test/lab/shell -bare -c 'bin/lvsd demo'

test: deps vet unit e2e

vet:
	$(GO) vet ./...
	$(GO) vet -tags soak ./test/...

unit:
	$(call BUDGET,$(UNIT_MINUTES)) -race $(call PACKAGES,unit)

# Two kernels at a time, one for each core: the scenarios, and beside them the faults, the kernel's contract and the lab.
# Pairs live by the clock, so they have the machine to themselves.
e2e: deps
	@$(MAKE) --no-print-directory --output-sync=target -j2 e2e-scenarios e2e-faults e2e-lab
	@$(MAKE) --no-print-directory e2e-pair

e2e-scenarios:
	$(call BUDGET,$(LAB_MINUTES)) -count=1 -skip '^TestFaults' ./test/e2e

e2e-faults:
	$(call BUDGET,$(LAB_MINUTES)) -count=1 -run '^TestFaults' ./test/e2e

e2e-pair:
	$(call BUDGET,$(LAB_MINUTES)) -count=1 ./test/e2e/pair

# The shipped units under a systemd. On a machine that does other things too, a restart takes longer than a resume may, so
# it is not a part of make test.
e2e-units: deps
	$(call BUDGET,$(LAB_MINUTES)) -count=1 ./test/e2e/units

e2e-lab: # benchmarks are for make bench
	$(call BUDGET,$(LAB_MINUTES)) -count=1 -p 1 $(filter-out %/bench %/test/e2e %/e2e/pair %/e2e/units,$(call PACKAGES,lab))

lint: vet
	@tools/lint $(GO)

bench: deps
	$(GO) test -count=1 -p 1 -run '^$$' -bench . -timeout 60m ./...

soak: deps
	$(GO) test -tags soak -count=1 -p 1 -v -run Soak -timeout 6h $(call PACKAGES,lab)

fuzz:
	@tools/fuzz $(GO) $(FUZZ_TIME)

lab: deps
	@$(GO) run ./test/lab/shell $(if $(CMD),-c '$(subst ','\'',$(value CMD))')

deps:
	@tools/deps

ci: lint test

clean:
	rm -rf bin dist
