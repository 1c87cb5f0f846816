# Spack package of Thaw. From the folder of Thaw:
#
#     spack repo add jobs/spack
#     spack dev-build thaw@main
#
# dev-build compiles the files of this folder; docs/clusters.md says more.

from spack.package import *


class Thaw(MakefilePackage):
    """Fine-tunes pretrained image networks on CPU clusters: one C program on MPI."""

    license("MIT")

    version("main", no_cache=True)

    variant("test", default=False, description="Install what the unit tests need")

    depends_on("c", type="build")
    depends_on("gmake", type="build")
    depends_on("pkgconfig", type="build")

    depends_on("openmpi@4:")
    depends_on("openblas threads=pthreads")
    depends_on("libjpeg-turbo")
    depends_on("libspng")
    depends_on("libwebp +libwebpdemux")
    depends_on("libtiff")
    depends_on("stb", type="build")
    depends_on("giflib")
    depends_on("libcsv")
    depends_on("zstd")
    depends_on("libarchive")
    depends_on("jansson")
    depends_on("libyaml")
    depends_on("xxhash")
    depends_on("zlib")
    depends_on("protobuf-c")
    depends_on("onnx", type="build")
    depends_on("random123", type="build")
    depends_on("cmocka", when="+test", type="build")

    def setup_build_environment(self, env):
        # Headers that come without a pkg-config file.
        for name in ("stb", "random123", "giflib", "libcsv", "onnx"):
            env.append_flags("CPPFLAGS", f"-I{self.spec[name].prefix.include}")
        for name in ("giflib", "libcsv"):
            env.append_flags("LDFLAGS", f"-L{self.spec[name].prefix.lib}")

    def build(self, spec, prefix):
        make(f"MPICC={spec['mpi'].mpicc}", "all", "lib-mpi")

    def install(self, spec, prefix):
        make(f"MPICC={spec['mpi'].mpicc}", f"PREFIX={prefix}", "install")

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_program(self):
        Executable(join_path(self.prefix.bin, "thaw"))("doctor")
