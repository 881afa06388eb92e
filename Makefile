# SPDX-License-Identifier: Apache-2.0
#
# The one build. Sources are found by wildcard: a new file in a folder below
# is part of the build; a folder that is empty is left out.
#
#   make                     everything into build/
#   make run [ARGS=...]      the local stack with the example graphs
#   make test | check | test-long | bench | asan | tsan | valgrind | fuzz |
#        lint | fmt
#   make differential [SEED=...] [N=...]
#                            random graphs, against Python LangGraph
#   make sim [SEED=...] [N=...] [TRACE=1]
#                            the broker in a simulated world
#   make property [SEED=...] [N=...]
#                            what must hold for any graph, on random ones
#   make fuzz-api [SEED=...] [MINUTES=...]
#                            random requests, against /openapi.json, on each store
#   make chaos [MINUTES=...] [SEED=...]
#                            kills processes while runs go on
#   make install PREFIX=...
#
# BUILD=dir builds elsewhere; SAN=address,undefined adds sanitizers; V=1 shows
# the commands; LEAT_SKIP_DEPS=1 installs nothing.

MAKEFLAGS += --no-builtin-rules
# As many jobs as processors, unless the caller said or a make above shares.
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD  ?= build
PREFIX ?= /usr/local
ARGS   ?=
SAN    ?=
ifeq ($(origin CC),default)
CC := gcc
endif

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wvla -Werror
CFLAGS   ?= -O2 -g
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
ALL_CFLAGS = -std=gnu11 $(WARN) -fPIC -fno-strict-aliasing $(CFLAGS) \
	$(SANFLAGS) -D_GNU_SOURCE= -Iinclude -I. -isystem /usr/include/postgresql
ALL_LDFLAGS = -rdynamic $(SANFLAGS) $(LDFLAGS)

Q := $(if $(V),,@)
has = $(wildcard $(1))
LIBS = -lczmq -lzmq -lmsgpackc -lsqlite3 -lxxhash -lpthread -ldl -lm

# --- sources and what becomes of them --------------------------------------
OBJ := $(BUILD)/obj
objects = $(patsubst %.c,$(OBJ)/%.o,$(wildcard $(1)))

COMMON_O  := $(call objects,common/*.c common/store/*.c)
GRAPH_O   := $(call objects,worker/graph/*.c)
BROKER_O  := $(call objects,broker/*.c)
GATEWAY_O := $(call objects,gateway/*.c)
WORKER_O  := $(call objects,worker/*.c worker/nodes/*.c)
CLI_O     := $(call objects,cli/*.c)
CONF_O    := $(call objects,tests/conformance/*.c)
PROP_O    := $(call objects,tests/property/*.c)
SIM_O     := $(call objects,tests/sim/*.c)
HARNESS_O := $(call objects,tests/harness/*.c)
UNIT_O    := $(call objects,tests/unit/*.c)

without_main = $(filter-out %/main.o,$(1))
LIBCOMMON := $(if $(COMMON_O),$(BUILD)/libcommon.a)
LIBGRAPH  := $(if $(GRAPH_O),$(BUILD)/libgraph.a)

program = $(if $(filter $(OBJ)/$(1)/main.o,$(2)),$(BUILD)/$(3))
BROKER  := $(call program,broker,$(BROKER_O),leat-broker)
GATEWAY := $(call program,gateway,$(GATEWAY_O),leat-gateway)
WORKER  := $(call program,worker,$(WORKER_O),leat-worker)
CLI     := $(call program,cli,$(CLI_O),leat)
CONFORM := $(if $(CONF_O),$(BUILD)/graph-conformance)
PROPERTY := $(if $(PROP_O),$(BUILD)/tests/property)
SIM     := $(if $(SIM_O),$(BUILD)/tests/sim)
UNIT    := $(if $(UNIT_O),$(BUILD)/tests/unit)
TOOLS   := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
GRAPHS  := $(patsubst examples/%.c,$(BUILD)/graphs/%.so,$(wildcard examples/*.c))
BENCH   := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(BROKER) $(GATEWAY) $(WORKER) $(CLI) $(CONFORM) $(GRAPHS)

# --- what has to be installed first: checked at each call, cheap if there ---
.PHONY: deps-build deps-check deps-test deps-bench deps-lint deps-fmt \
	deps-fuzz deps-valgrind
deps-build deps-check deps-test deps-bench deps-lint deps-fmt deps-fuzz \
deps-valgrind: deps-%:
	@deploy/install-deps $*

# --- compiling and linking ---------------------------------------------------
$(OBJ)/common/store/schema.o: $(wildcard common/store/schema/*.sql)
$(OBJ)/gateway/openapi.o: $(wildcard gateway/openapi/*)
$(OBJ)/%.o: %.c Makefile | deps-build
	@mkdir -p $(@D) && echo "cc $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# An archive is written anew, so that no member of a removed source stays.
$(BUILD)/libcommon.a: $(COMMON_O)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libgraph.a: $(GRAPH_O)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

link = $(Q)mkdir -p $(@D) && echo "link $@" && \
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(1) $(LIBS)
whole = -Wl,--whole-archive $(filter %.a,$^) -Wl,--no-whole-archive

$(BUILD)/leat-broker: $(BROKER_O) $(LIBCOMMON)
	$(call link,$(filter %.a,$^))

$(BUILD)/leat-gateway: $(GATEWAY_O) $(LIBCOMMON)
	$(call link,$(filter %.a,$^) -lcivetweb)

# Whole archives: graphs loaded later may need what the worker itself does not.
$(BUILD)/leat-worker: $(WORKER_O) $(LIBGRAPH) $(LIBCOMMON)
	$(call link,$(whole))

$(BUILD)/leat: $(CLI_O) $(LIBCOMMON)
	$(call link,$(filter %.a,$^))

$(BUILD)/graph-conformance: $(CONF_O) $(LIBGRAPH) $(LIBCOMMON)
	$(call link,$(filter %.a,$^))

$(BUILD)/tests/property: $(PROP_O) $(call without_main,$(CONF_O) $(WORKER_O)) \
		$(LIBGRAPH) $(LIBCOMMON)
	$(call link,$(filter %.a,$^))

# The broker's own code between models of all that is around it: the network
# and the store's file are the simulation's.
$(BUILD)/tests/sim: $(SIM_O) $(filter-out %/store.o,$(call \
		without_main,$(BROKER_O))) $(LIBCOMMON)
	$(call link,$(filter %.a,$^))

# One binary of all parts: the executable itself must define what
# gateway/handover.c puts in place of libc's recv().
$(BUILD)/tests/unit: $(UNIT_O) $(HARNESS_O) $(call without_main,$(BROKER_O) \
		$(GATEWAY_O) $(WORKER_O) $(CLI_O)) $(LIBGRAPH) $(LIBCOMMON) | $(TOOLS)
	$(call link,$(filter %.a,$^) $(if $(GATEWAY_O),-lcivetweb))

# A graph sees the public headers and nothing else.
$(BUILD)/graphs/%.so: examples/%.c Makefile | deps-build
	@mkdir -p $(@D) && echo "graph $@"
	$(Q)$(CC) -std=c11 $(WARN) $(CFLAGS) $(SANFLAGS) -shared -fPIC -MMD -MP \
		-Iinclude $< -o $@ -lm

# What the system tests look with.
$(BUILD)/tests/%: $(OBJ)/tests/tools/%.o $(LIBCOMMON)
	$(call link,$(filter %.a,$^))

$(BUILD)/bench/%: $(OBJ)/tests/bench/%.o $(LIBGRAPH) $(LIBCOMMON)
	$(call link,$(filter %.a,$^))

# An archive, so that a fuzzer takes from the gateway only what it needs.
$(BUILD)/libgateway.a: $(call without_main,$(GATEWAY_O))
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(if $(GATEWAY_O),$(BUILD)/libgateway.a) \
		$(LIBGRAPH) $(LIBCOMMON)
	@mkdir -p $(@D) && echo "link $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) \
		$(filter %.a,$^) -lcivetweb $(LIBS)

-include $(shell find $(BUILD)/obj $(BUILD)/graphs -name '*.d' 2>/dev/null)

# --- running and testing -----------------------------------------------------
.PHONY: run check unit test test-long bench asan tsan valgrind fuzz lint fmt install clean
run: all
	exec $(BUILD)/leat dev --graphs $(BUILD)/graphs $(ARGS)

unit: $(UNIT)

check: all $(UNIT) $(PROPERTY) | deps-check
	tests/run --build $(BUILD) --only unit,conformance,property $(ARGS)

test: all $(UNIT) $(PROPERTY) $(SIM) | deps-test
	tests/run --build $(BUILD) $(ARGS)

test-long: all $(UNIT) $(PROPERTY) $(SIM) | deps-test
	LEAT_TEST_LONG=1 tests/run --build $(BUILD) --long $(ARGS)
	$(MAKE) asan
	$(MAKE) tsan

.PHONY: differential
differential: $(BUILD)/graph-conformance | deps-test
	build/venv/bin/python tests/differential/run --build $(BUILD) \
		$(if $(SEED),--seed $(SEED)) $(if $(N),--n $(N)) $(ARGS)

.PHONY: property
property: $(PROPERTY) | deps-check
	python3 -B tests/property/run --build $(BUILD) \
		$(if $(SEED),--seed $(SEED)) $(if $(N),--n $(N)) $(ARGS)

# Requests that nobody has thought of, against what /openapi.json says.
.PHONY: fuzz-api
fuzz-api: all | deps-test
	LEAT_BUILD=$(BUILD) LEAT_FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
		LEAT_FUZZ_MINUTES=$(or $(MINUTES),2) build/venv/bin/python -m pytest \
		-q tests/system/test_openapi.py -k "requests or request" $(ARGS)

# Kills, pauses and cuts for so long, and what was lost (nothing, or it fails).
.PHONY: chaos
chaos: all | deps-test
	build/venv/bin/python tests/chaos/run --build $(BUILD) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: sim
sim: $(SIM) | deps-build
	$(SIM) --seed $(or $(SEED),1) --n $(or $(N),1000) $(if $(TRACE),--trace)

bench: all $(BENCH) | deps-bench
	PATH="$(CURDIR)/build/bin:$$PATH" tests/bench/run --build $(BUILD) $(ARGS)
	build/venv/bin/python tests/bench/python.py --build $(BUILD) $(ARGS)

SAN_RUN = tests/run --build $(1) --only unit,conformance,system --smoke $(ARGS)

# ZeroMQ is not instrumented: what it does to its own memory looks like races.
TSAN = ignore_noninstrumented_modules=1:exitcode=99

asan: | deps-test
	$(MAKE) BUILD=build/asan SAN=address,undefined CFLAGS="-O1 -g" all unit
	$(call SAN_RUN,build/asan)

tsan: | deps-test
	$(MAKE) BUILD=build/tsan SAN=thread CFLAGS="-O1 -g" all unit
	TSAN_OPTIONS=$(TSAN) $(call SAN_RUN,build/tsan)

valgrind: $(CONFORM) $(UNIT) | deps-valgrind
	tests/run --build $(BUILD) --only unit,conformance --valgrind $(ARGS)

.PHONY: fuzzers
fuzzers: $(FUZZ)

fuzz: | deps-fuzz
	$(MAKE) BUILD=build/fuzz CC=clang CFLAGS="-O1 -g" \
		SAN=fuzzer-no-link,address,undefined fuzzers
	tests/fuzz/run build/fuzz/fuzz $(ARGS)

lint: | deps-lint
	tests/lint/run

fmt: | deps-fmt
	git ls-files '*.c' '*.h' ':!*.tbl.h' | xargs -r clang-format -i

BIN := $(addprefix $(BUILD)/,leat leat-broker leat-gateway leat-worker)
DEST := $(DESTDIR)$(PREFIX)
install: all
	install -d $(DEST)/bin $(DEST)/include/leat $(DEST)/share/leat/graphs
	install -m 755 $(BIN) $(DEST)/bin
	install -m 644 $(wildcard include/leat/*.h) $(DEST)/include/leat
	install -m 644 $(GRAPHS) $(DEST)/share/leat/graphs
	install -m 644 LICENSE $(DEST)/share/leat

clean:
	rm -rf $(OBJ) $(BUILD)/graphs $(BUILD)/bench $(BUILD)/tests build/asan \
		build/tsan build/fuzz $(BUILD)/*.a $(BIN) $(BUILD)/graph-conformance
