# Spack package of libcsv, which Spack does not have itself; Thaw needs it.

from spack.package import *


class Libcsv(AutotoolsPackage):
    """A small parser of CSV files, in C."""

    homepage = "https://github.com/rgamble/libcsv"
    git = "https://github.com/rgamble/libcsv.git"

    license("LGPL-2.1-or-later")

    version("3.0.3", commit="b1d5212831842ee5869d99bc208a21837e4037d5")

    depends_on("c", type="build")
