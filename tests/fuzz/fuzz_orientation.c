/* Fuzzes the readers of EXIF and XMP data: any block gives an orientation from 0 to 8. */
#include "src/data/image.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	int exif = thaw_exif_orientation(bytes, size), xmp = thaw_xmp_orientation(bytes, size);
	int both = thaw_orientation(exif, xmp);
	if (exif < 0 || exif > 8 || xmp < 0 || xmp > 8 || both < 1 || both > 8)
		abort();
	return 0;
}
