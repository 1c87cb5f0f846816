#!/bin/sh
# Checks that what a build needs is installed, and installs what is missing with apt where that is possible.
# Usage: tools/deps.sh NEEDED... [-- WANTED...], with groups of the table below: build, demo, unit, test, lint.
#
# If nothing of these groups is missing, prints nothing, changes nothing and needs no network. What apt cannot install
# is listed with its package names. Exits with 1 if a NEEDED item is missing at the end, with 0 if only WANTED ones are.
#
# Environment: CC, CXX, MPICC, CPPFLAGS, PKG_CONFIG_PATH and ONNX_PROTO as for make.
set -u

# One line per requirement: group, check, and the package that provides it in each distribution ("-": not packaged).
# Checks: cmd:PROGRAM, pc:MODULE[|MODULE] (pkg-config), c:HEADER and c++:HEADER (compiler and CPPFLAGS), file:PATH.
# CC, CXX, MPICC and ONNX_PROTO stand for the value of the variable.
packages() {
	cat <<'EOF'
build cmd:CC                        gcc                   gcc                 gcc           c-compiler
build cmd:make                      make                  make                gmake         make
build cmd:pkg-config                pkg-config            pkgconf-pkg-config  pkgconf       pkg-config
build cmd:MPICC                     libopenmpi-dev        openmpi-devel       openmpi       openmpi
build cmd:mpirun                    openmpi-bin           openmpi             openmpi       openmpi
build pc:openblas                   libopenblas-dev       openblas-devel      openblas      openblas
build pc:libjpeg                    libjpeg62-turbo-dev   libjpeg-turbo-devel libjpeg-turbo libjpeg-turbo
build pc:spng|libspng               libspng-dev           libspng-devel       libspng       -
build pc:libwebp                    libwebp-dev           libwebp-devel       libwebp       libwebp-base
build pc:libtiff-4                  libtiff-dev           libtiff-devel       libtiff       libtiff
build c:stb/stb_image.h              libstb-dev            stb_image-devel     stb           stb
build c:gif_lib.h                   libgif-dev            giflib-devel        giflib        giflib
build c:csv.h                       libcsv-dev            libcsv-devel        -             -
build pc:libzstd                    libzstd-dev           libzstd-devel       zstd          zstd
build pc:libarchive                 libarchive-dev        libarchive-devel    libarchive    libarchive
build pc:jansson                    libjansson-dev        jansson-devel       jansson       jansson
build pc:yaml-0.1                   libyaml-dev           libyaml-devel       libyaml       yaml
build pc:libxxhash                  libxxhash-dev         xxhash-devel        xxhash        xxhash
build pc:zlib                       zlib1g-dev            zlib-devel          zlib          zlib
build pc:libprotobuf-c              libprotobuf-c-dev     protobuf-c-devel    protobuf-c    protobuf-c
build cmd:protoc-c                  protobuf-c-compiler   protobuf-c-compiler protobuf-c    protobuf-c
build file:ONNX_PROTO               libonnx-dev           onnx-devel          onnx          onnx
build c:Random123/philox.h          librandom123-dev      Random123-devel     random123     -
demo  file:/usr/share/datasets/fashion-mnist dataset-fashion-mnist - - -
unit  pc:cmocka                     libcmocka-dev         libcmocka-devel     cmocka        cmocka
test  cmd:CXX                       g++                   gcc-c++             gcc           cxx-compiler
test  c++:onnx/checker.h            libonnx-dev           onnx-devel          onnx          onnx
test  c++:google/protobuf/message.h libprotobuf-dev       protobuf-devel      protobuf      libprotobuf
test  file:/usr/share/libonnx-testdata libonnx-testdata   -                   -             -
test  file:/usr/share/datasets/fashion-mnist dataset-fashion-mnist - - -
test  cmd:git                       git                   git                 git           git
test  cmd:zstd                      zstd                  zstd                zstd          zstd
test  cmd:pgrep                     procps                procps-ng           procps        procps-ng
test  cmd:jq                        jq                    jq                  jq            jq
test  cmd:perl                      perl-base             perl                perl          perl
test  cmd:valgrind                  valgrind              valgrind            valgrind      valgrind
test  cmd:shellcheck                shellcheck            ShellCheck          shellcheck    shellcheck
test  cmd:clang-format              clang-format          clang-tools-extra   llvm          clang-format
lint  cmd:clang-tidy                clang-tidy            clang-tools-extra   llvm          clang-tools
lint  cmd:codespell                 codespell             codespell           py-codespell  codespell
EOF
}

value_of() {
	case $1 in
	CC) echo "${CC:-cc}" ;;
	CXX) echo "${CXX:-c++}" ;;
	MPICC) echo "${MPICC:-mpicc}" ;;
	ONNX_PROTO) echo "${ONNX_PROTO:-/usr/include/onnx/onnx.proto}" ;;
	*) echo "$1" ;;
	esac
}

# compiles LANGUAGE HEADER COMPILER: the preprocessor finds the header.
compiles() {
	# shellcheck disable=SC2086 # several words each
	echo "#include <$2>" | $3 -DONNX_ML=1 -DONNX_NAMESPACE=onnx ${CPPFLAGS:-} -x "$1" -E - -o /dev/null 2>/dev/null
}

# present CHECK
present() {
	what=$(value_of "${1#*:}")
	case $1 in
	cmd:*) command -v "${what%% *}" >/dev/null ;;
	pc:*'|'*) present "${1%%|*}" || present "pc:${1#*|}" ;;
	pc:*) pkg-config --exists "$what" 2>/dev/null ;;
	c:*) compiles c "$what" "$(value_of CC)" ;;
	c++:*) compiles c++ "$what" "$(value_of CXX)" ;;
	file:*) [ -e "$what" ] ;;
	esac
}

# missing GROUP...: the lines of packages() that are not satisfied.
missing() {
	packages | while read -r group check names; do
		case " $* " in
		*" $group "*) present "$check" || echo "$group $check $names" ;;
		esac
	done
}

# install GROUP...: the Debian packages of what is missing, with apt.
install() {
	names=$(missing "$@" | awk '{ print $3 }' | sort -u)
	# shellcheck disable=SC2086 # one word per package
	[ -z "$names" ] || $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $names
}

# report LINES: the table, one requirement per line.
report() {
	{
		echo "for needs Debian Fedora/Rocky Spack conda-forge"
		echo "$1" | sed -E 's/ [a-z+]+:/ /; s/ONNX_PROTO/onnx.proto/' |
			sed "s| MPICC | $(value_of MPICC) |; s| CC | $(value_of CC) |; s| CXX | $(value_of CXX) |"
	} | awk '!seen[$2]++' | awk '{ for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
		END { for (r = 1; r <= NR; r++) { line = ""
			for (i = 1; i <= 6; i++) line = line sprintf("%-" width[i] + 2 "s", cell[r, i])
			sub(/ +$/, "", line); print "  " line } }'
}

advice() {
	cat <<'EOF'

Install them with the system's package manager, or with Spack or conda or from source, which need no root. These variables
tell the build where to find what is not in the system's folders:
  PATH             cc, mpicc, mpirun, protoc-c, pkg-config
  PKG_CONFIG_PATH  folders with .pc files:  PKG_CONFIG_PATH=PREFIX/lib/pkgconfig
  CPPFLAGS         other header folders:    CPPFLAGS=-IPREFIX/include
  LDFLAGS          other library folders:   LDFLAGS="-LPREFIX/lib -Wl,-rpath,PREFIX/lib"
  ONNX_PROTO       ONNX's message definitions, of any ONNX source tree or Python package: ONNX_PROTO=.../onnx/onnx.proto
Rocky has libspng, protobuf-c and others in EPEL and CRB; "-" means: not packaged there, build it from source.
EOF
}

needed='' wanted='' after=
for group in "$@"; do
	case $group in
	--) after=1 ;;
	*) if [ -n "$after" ]; then wanted="$wanted $group"; else needed="$needed $group"; fi ;;
	esac
done
# shellcheck disable=SC2086 # one word per group
lacking() { missing $needed $wanted; }

[ -z "$(lacking)" ] && exit 0
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
if command -v apt-get >/dev/null && { [ -z "$sudo" ] || command -v sudo >/dev/null; }; then
	# The wanted packages separately: one that this release does not have must not keep the others out.
	# shellcheck disable=SC2086
	$sudo apt-get update -q && install $needed && install $wanted
fi

rest=$(lacking)
[ -z "$rest" ] && exit 0
# shellcheck disable=SC2086
if [ -n "$(missing $needed)" ]; then
	{
		echo "packages are missing, and apt with root or sudo is not available here or failed:"
		echo
		report "$rest"
		advice
	} >&2
	exit 1
fi
{
	echo "optional packages are missing; the build does not need them:"
	echo
	report "$rest"
} >&2
