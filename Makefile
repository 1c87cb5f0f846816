# Thaw. `make help` lists the targets.
#
# Sources are found by folder: a new .c file under src/ or mpi/, or a new test under tests/, needs no line here.
# src/ without src/cli is libthaw, which does not depend on MPI; mpi/ is libthaw-mpi; the program adds cli.

PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := $(shell sed -n 's/^.define THAW_VERSION_[MP][A-Z]* //p' include/thaw/version.h | paste -sd .)
MAJOR   := $(firstword $(subst ., ,$(VERSION)))

BUILD   ?= build
CC      ?= cc
MPICC   ?= mpicc
NM      ?= nm
OBJCOPY ?= objcopy
CFLAGS  ?= -O3 -g
WERROR  ?= $(if $(CI),-Werror)
SANITIZE ?=

LIBS_PC = openblas libjpeg $(SPNG_PC) libwebp libwebpdemux libtiff-4 libzstd libarchive jansson yaml-0.1 libxxhash \
          zlib libprotobuf-c

# Evaluated at their first use, not when make reads this file: `make help` and `make deps` run on a bare machine.
TOOLS = $(firstword $(CC)) pkg-config
NEED_TOOLS = $(eval NEED_TOOLS := $(foreach t,$(TOOLS),$(if $(shell command -v $(t) 2>/dev/null),,$(error $(t) is not \
             installed: make deps installs what is missing, or lists it))))$(NEED_TOOLS)
# libspng's module is called spng when it was built with meson, as in Debian, and libspng when built with CMake.
SPNG_PC   = $(NEED_TOOLS)$(eval SPNG_PC := $(shell pkg-config --exists libspng && echo libspng || echo spng))$(SPNG_PC)
PC_CFLAGS = $(eval PC_CFLAGS := $(shell pkg-config --cflags $(LIBS_PC)))$(PC_CHECK)$(PC_CFLAGS)
PC_LIBS   = $(eval PC_LIBS := $(shell pkg-config --libs $(LIBS_PC)))$(PC_CHECK)$(PC_LIBS)
PC_CHECK  = $(if $(filter 0,$(.SHELLSTATUS)),,$(error pkg-config does not find a library: make deps lists what is missing))
MACHINE   = $(eval MACHINE := $(shell $(CC) -dumpmachine))$(MACHINE)

# All cores, unless the command line says -jN.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

# make V=1 prints the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $@)

# Without -Wno-pass-failed clang warns about loops over functions of libm, which it cannot vectorize.
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-pass-failed $(WERROR)
ALL_CFLAGS = $(NEED_TOOLS)-std=c17 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(SANITIZE) -pthread -fPIC -fvisibility=hidden \
             $(ARITHMETIC) -fno-math-errno -Iinclude -I. -I$(BUILD)/gen $(CPPFLAGS) $(PC_CFLAGS)
# Kernels may contract a*b+c into one instruction; everything else (resampling, metrics) must not. gcc uses 256-bit
# vectors on AVX-512 by default. -fno-math-errno lets loops with sqrtf become vectors; results do not change.
ARITHMETIC = -ffp-contract=off
$(BUILD)/src/ops/%.o: ARITHMETIC = -ffp-contract=fast $(WIDE_VECTORS)
WIDE_VECTORS = $(if $(filter x86_64%,$(MACHINE)),-mprefer-vector-width=512)
# giflib and libcsv come without pkg-config files.
LIBS       = $(PC_LIBS) -lgif -lcsv -lm -pthread
ALL_LIBS   = $(LDFLAGS) $(LIBS)

LIB_SRC := $(filter-out src/cli/%,$(shell find src -name '*.c' 2>/dev/null))
CLI_SRC := $(wildcard src/cli/*.c)
MPI_SRC := $(wildcard mpi/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o) $(BUILD)/gen/onnx.pb-c.o
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/%.o)
MPI_OBJ := $(MPI_SRC:%.c=$(BUILD)/%.o)

UNIT_SRC := $(wildcard tests/unit/*.c)
REPLAY_BIN := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/replay/%,$(wildcard tests/fuzz/fuzz_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/unit/%)
MPITEST_SRC := $(wildcard tests/mpi/*.c)
MPITEST_BIN := $(MPITEST_SRC:tests/mpi/%.c=$(BUILD)/tests/mpi/%)

.PHONY: all help deps lib lib-mpi tests check soak demo install asan tsan fuzz fuzz-count bench clean format advise-study lint \
        hooks compile_commands.json

all: $(BUILD)/thaw ## build the program (build/thaw) and the library
lib: $(BUILD)/libthaw.a $(BUILD)/libthaw.so ## build libthaw only, without MPI
lib-mpi: lib $(BUILD)/libthaw-mpi.a $(BUILD)/libthaw-mpi.so ## build libthaw and libthaw-mpi

help: ## list these targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# ONNX's messages in C, generated from onnx.proto. Which sources include the header is known only after the first
# build, so all of the library's objects wait for it. onnx.proto is looked for where headers are.
INCLUDE_DIRS = $(patsubst -I%,%,$(filter -I%,$(CPPFLAGS))) $(subst :, ,$(CPATH)) $(CONDA_PREFIX:%=%/include) \
               $(patsubst %,%/include,$(subst :, ,$(CMAKE_PREFIX_PATH))) /usr/local/include
ONNX_PROTO ?= $(firstword $(wildcard $(INCLUDE_DIRS:%=%/onnx/onnx.proto)) /usr/include/onnx/onnx.proto)
$(ONNX_PROTO):
	@echo "onnx.proto is missing: $@: install ONNX's development files (make deps) or set ONNX_PROTO=PATH" >&2; exit 1

$(LIB_OBJ): | $(BUILD)/gen/onnx.pb-c.h

$(BUILD)/gen/onnx.pb-c.c $(BUILD)/gen/onnx.pb-c.h &: $(ONNX_PROTO)
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)protoc-c --proto_path=$(dir $<) --c_out=$(@D) $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -w -MMD -MP -c $< -o $@

# The network of --model builtin is compiled in, if the tree has it.
$(BUILD)/src/model/builtin.o: $(wildcard models/builtin.safetensors)
$(BUILD)/src/model/catalogue.o: models/networks.tsv

$(BUILD)/mpi/%.o: mpi/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)OMPI_CC=$(CC) $(MPICC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# A digest of the library's code tells builds apart. Debugging information is left out: it has the path of the build.
ID_OBJ := $(BUILD)/gen/build_text.o
$(BUILD)/gen/build_text.c: $(sort $(LIB_OBJ))
	@mkdir -p $(@D)
	$(call say,GEN)
	@rm -f $@.a
	$(Q)ar qcD $@.a $(sort $(LIB_OBJ)) && $(OBJCOPY) -D --strip-debug $@.a && \
	  printf '#include "src/base/build_text.h"\nconst char thaw_build_text[] = "$(VERSION) (build %.16s)";\n' \
	  "$$(sha256sum <$@.a)" >$@
	@rm -f $@.a

# The program and the tests use internal functions and link these objects.
$(BUILD)/libthaw-internal.a: $(LIB_OBJ) $(ID_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

# The libraries that are installed export what the public headers declare and nothing else, the static ones too: one
# object each, in which hidden symbols are local; libthaw-mpi has copies of the internal functions that it uses. gcc
# gives what THAW_MULTIVERSION makes default visibility: the indirect functions (type i) and their resolvers.
$(BUILD)/libthaw.o: $(LIB_OBJ) $(ID_OBJ)
$(BUILD)/libthaw-mpi.o: $(MPI_OBJ) $(addprefix $(BUILD)/src/base/,clock.o process.o thread.o)
$(BUILD)/libthaw.o $(BUILD)/libthaw-mpi.o:
	$(call say,LD)
	$(Q)$(LD) -r -o $@.whole $^
	$(Q)$(NM) $@.whole | sed -n 's/^[0-9a-f]* [iW] /-L /p' | xargs $(OBJCOPY) --localize-hidden $@.whole $@
	@rm $@.whole

$(BUILD)/libthaw.a $(BUILD)/libthaw-mpi.a: %.a: %.o
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $<

$(BUILD)/libthaw.so: $(BUILD)/libthaw.o
	$(call say,LD)
	$(Q)$(CC) $(SANITIZE) -shared -Wl,-soname,$(@F).$(MAJOR) -o $@ $< $(ALL_LIBS)

$(BUILD)/libthaw-mpi.so: $(BUILD)/libthaw-mpi.o $(BUILD)/libthaw.so
	$(call say,LD)
	$(Q)OMPI_CC=$(CC) $(MPICC) $(SANITIZE) -shared -Wl,-z,defs -Wl,-soname,$(@F).$(MAJOR) -o $@ $^

$(BUILD)/thaw: $(CLI_OBJ) $(MPI_OBJ) $(BUILD)/libthaw-internal.a
	$(call say,LD)
	$(Q)OMPI_CC=$(CC) $(MPICC) $(SANITIZE) -o $@ $^ $(ALL_LIBS)

# Objects of the program that a unit test links in addition to the library.
$(BUILD)/tests/unit/test_advise_page: $(filter $(BUILD)/src/cli/advise_%,$(CLI_OBJ)) \
	$(addprefix $(BUILD)/src/cli/,chart.o clean_text.o display_text.o result.o wrap.o)
$(BUILD)/tests/unit/test_comm: $(BUILD)/src/cli/signals.o
$(BUILD)/tests/unit/test_launch_warnings: $(addprefix $(BUILD)/src/cli/,launch_warnings.o rank_facts.o doctor_nodes.o \
	display_text.o result.o)

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libthaw-internal.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -o $@ $< $(filter %.o,$^) $(BUILD)/libthaw-internal.a -lcmocka $(ALL_LIBS)

# ONNX's own checker (C++) validates the exported models.
ONNX_CHECKER := $(BUILD)/tests/onnx/check_model
$(ONNX_CHECKER): tests/onnx/check_model.cc
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CXX) -std=c++17 -O1 -DONNX_ML=1 -DONNX_NAMESPACE=onnx -o $@ $< -lonnx -lonnx_proto -lprotobuf

$(BUILD)/tests/mpi/%: tests/mpi/%.c $(MPI_OBJ) $(BUILD)/libthaw-internal.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)OMPI_CC=$(CC) $(MPICC) $(ALL_CFLAGS) -MMD -MP -o $@ $< $(MPI_OBJ) $(BUILD)/libthaw-internal.a -lcmocka $(ALL_LIBS)

$(BUILD)/tests/compare/%: tests/compare/%.c $(BUILD)/libthaw-internal.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libthaw-internal.a $(ALL_LIBS)

# The target of what users write needs two files of the program.
OPTION_OBJ := $(BUILD)/src/cli/config.o $(BUILD)/src/cli/option_value.o
$(BUILD)/tests/fuzz/fuzz_options $(BUILD)/tests/replay/fuzz_options: $(OPTION_OBJ)
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(BUILD)/libthaw-internal.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(filter %.o,$^) $(BUILD)/libthaw-internal.a $(ALL_LIBS)

# The same targets without libFuzzer: they run once on each file of the kept corpora.
$(BUILD)/tests/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(BUILD)/libthaw-internal.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -o $@ $< tests/fuzz/replay.c $(filter %.o,$^) $(BUILD)/libthaw-internal.a $(ALL_LIBS)

$(BUILD)/tests/bench/%: tests/bench/%.c $(MPI_OBJ) $(BUILD)/libthaw-internal.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)OMPI_CC=$(CC) $(MPICC) $(ALL_CFLAGS) -MMD -MP -o $@ $< $(MPI_OBJ) $(BUILD)/libthaw-internal.a $(ALL_LIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- Packages -------------------------------------------------------------------------------------

# For tools/deps.sh, which checks with the same compilers and flags.
export CC CXX MPICC CPPFLAGS LDFLAGS ONNX_PROTO

deps: ## install what is missing with apt (and sudo), or list its names in Debian, Fedora, Spack and conda-forge
	@tools/deps.sh build -- demo unit test lint

# ---- Tests ----------------------------------------------------------------------------------------

tests: $(UNIT_BIN) $(REPLAY_BIN) $(MPITEST_BIN) $(ONNX_CHECKER) $(BUILD)/thaw ## build the tests
	@true

check: ## install what is missing, build, and run the whole test suite
	@tools/deps.sh build unit -- test
	@$(MAKE) --no-print-directory tests
	@tests/check.sh $(BUILD)

asan: ## build into build-asan with AddressSanitizer and UndefinedBehaviorSanitizer and run the unit tests
tsan: ## the same with ThreadSanitizer
asan tsan:
	@$(MAKE) --no-print-directory BUILD=build-$@ CFLAGS="-O2 -g -fno-omit-frame-pointer" \
	  SANITIZE="$(SANITIZE_$@)" build-$@/unit-tests
	@tests/check.sh build-$@ unit replay
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZE_tsan := -fsanitize=thread

$(BUILD)/unit-tests: $(UNIT_BIN) $(REPLAY_BIN) $(ONNX_CHECKER)
	@touch $@

FUZZ_SECONDS ?= 60
FUZZ_BIN := $(patsubst %.c,build-fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: ## run each fuzz target for FUZZ_SECONDS with clang's libFuzzer
	@command -v clang >/dev/null || { echo "make fuzz needs clang with libFuzzer (Debian: apt install clang)" >&2; exit 1; }
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang \
	  CFLAGS="-O1 -g -w -fno-omit-frame-pointer -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION" \
	  SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" $(FUZZ_BIN)
	@tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS)

FUZZ_INPUTS ?= 10000000
fuzz-count: ## run each fuzz target on FUZZ_INPUTS inputs without sanitizers, which is 5 to 50 times faster
	@$(MAKE) --no-print-directory BUILD=build-fuzz-count CC=clang \
	  CFLAGS="-O2 -g1 -w -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION" SANITIZE="-fsanitize=fuzzer-no-link" \
	  $(FUZZ_BIN:build-fuzz/%=build-fuzz-count/%)
	@FUZZ_RUNS=$(FUZZ_INPUTS) tests/fuzz/run.sh build-fuzz-count 0

BENCH_RANKS ?= 2
BENCH_BIN := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
bench: $(BENCH_BIN) $(BUILD)/thaw ## measure kernels, all-reduce and training, and PyTorch if it is installed: JSON lines
	@tests/bench/run.sh $(BUILD) $(BENCH_RANKS)

SOAK ?= rank-KILL=1000 mpirun-KILL=100 rank-STOP=100 link-cut=25 link-keepalive=25 mpirun-TERM=50 mpirun-USR1=50 rank-PAUSE=10
soak: all $(BUILD)/tests/unit/test_damage ## hours: interruptions and resumes, faults, damaged files, several hosts, a real Slurm if installed
	THAW_TEST_ALL=1 $(BUILD)/tests/unit/test_damage
	@tests/soak/kill_resume.sh $(BUILD) $(SOAK)
	@tests/soak/every_step.sh $(BUILD)
	@tests/cluster/hosts.sh $(BUILD)
	@tests/faults/train.sh $(BUILD) 1
	@tests/cluster/slurm.sh $(BUILD)

advise-study: all ## hours: accuracy lost by following thaw advise, compared with simple rules (tests/study/study.sh)
	@tests/study/study.sh $(BUILD)/thaw

demo: ## fine-tune the built-in network on Fashion-MNIST with 2 ranks, and compare with training from scratch
	@tools/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@jobs/demo.sh $(BUILD)/thaw

# ---- Installation ---------------------------------------------------------------------------------

# $(call pc,FILE,LINE...) writes a pkg-config file. A static libthaw is linked with shared system libraries, hence
# Libs.private and not Requires.private, whose own private libraries need not be installed.
define pc
@printf '%s\n' 'prefix=$(PREFIX)' 'Version: $(VERSION)' 'Cflags: -I$${prefix}/include' $(2) > $(LIBDIR)/pkgconfig/$(1)
endef
LIBDIR = $(DESTDIR)$(PREFIX)/lib
MPI_PC ?= ompi-c

install: all lib-mpi ## install program, libraries, headers, pkg-config files and man page (PREFIX, DESTDIR)
	install -d $(DESTDIR)$(PREFIX)/bin $(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include/thaw
	install -m 755 $(BUILD)/thaw $(DESTDIR)$(PREFIX)/bin/thaw
	install -m 644 $(BUILD)/libthaw.a $(BUILD)/libthaw-mpi.a $(LIBDIR)/
	for l in libthaw libthaw-mpi; do \
	  install -m 755 $(BUILD)/$$l.so $(LIBDIR)/$$l.so.$(VERSION) && \
	  ln -sf $$l.so.$(VERSION) $(LIBDIR)/$$l.so.$(MAJOR) && ln -sf $$l.so.$(MAJOR) $(LIBDIR)/$$l.so || exit 1; \
	done
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 docs/thaw.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 include/thaw/*.h $(DESTDIR)$(PREFIX)/include/thaw/
	$(call pc,thaw.pc,'Name: thaw' 'Description: fine-tuning of pretrained image networks' 'Requires: jansson' \
	  'Libs: -L$${prefix}/lib -lthaw' 'Libs.private: $(LIBS)')
	$(call pc,thaw-mpi.pc,'Name: thaw-mpi' 'Description: ranks of libthaw over MPI' 'Requires: thaw = $(VERSION)' \
	  'Libs: -L$${prefix}/lib -lthaw-mpi' 'Libs.private: $(shell pkg-config --libs $(MPI_PC))')

# ---- Style ----------------------------------------------------------------------------------------

lint: compile_commands.json ## check format, scripts, spelling and clang-tidy's list; prints nothing if all is well
	@tools/lint.sh

format: ## run clang-format over all sources
	@find src mpi include tests examples -name '*.[ch]' 2>/dev/null | xargs clang-format -i

hooks: ## check commits before they are made (git hooks in tools/hooks)
	git config core.hooksPath tools/hooks

# For clangd and clang-tidy.
comma := ,
MPI_CFLAGS = $(eval MPI_CFLAGS := $(shell $(MPICC) --showme:compile 2>/dev/null))$(MPI_CFLAGS)
COMPILED := $(LIB_SRC) $(CLI_SRC) $(MPI_SRC) $(UNIT_SRC) $(MPITEST_SRC)
compile_commands.json: $(BUILD)/gen/onnx.pb-c.h
	$(file >$@,[)
	$(foreach f,$(COMPILED),$(file >>$@,{"directory": "$(CURDIR)"$(comma) "file": "$f"$(comma) \
	  "command": "$(subst ",\",$(CC) $(ALL_CFLAGS) $(MPI_CFLAGS) -c $f)"}$(if $(filter $f,$(lastword $(COMPILED))),,$(comma))))
	$(file >>$@,])
	@true

clean: ## remove the build folders
	rm -rf build build-asan build-tsan build-fuzz build-fuzz-count
