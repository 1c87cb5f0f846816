/* Small files that claim much: the time and the memory of a decoder are bounded, and the file is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "src/data/image.h"
#include "thaw/memory.h"

struct bytes {
	uint8_t *data;
	size_t size;
};

static void append(struct bytes *b, const void *data, size_t size)
{
	b->data = realloc(b->data, b->size + size);
	assert_non_null(b->data);
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static void append_zeros(struct bytes *b, size_t size)
{
	uint8_t *zeros = calloc(size, 1);
	append(b, zeros, size);
	free(zeros);
}

static void append_scan(struct bytes *b, int coefficient)
{
	const uint8_t scan[] = {0xFF, 0xDA, 0, 8, 1, 1, 0, (uint8_t)coefficient, (uint8_t)coefficient, 0};
	append(b, scan, sizeof(scan));
}

/* `count` codes of 15 bits, a zero and 14 ones; ones fill the last byte. A byte FF is followed by 00. */
static void append_runs(struct bytes *b, size_t count)
{
	for (size_t bit = 0; bit < 15 * count; bit += 8) {
		uint8_t byte = 0xFF;
		for (size_t k = 0; k < 8; k++)
			if ((bit + k) % 15 == 0 && bit + k < 15 * count)
				byte &= (uint8_t) ~(0x80 >> k);
		append(b, (uint8_t[]){byte, 0}, byte == 0xFF ? 2 : 1);
	}
}

/* A gray progressive JPEG of side x side pixels, a multiple of 64: one scan of the means, then one for each of the next
 * coefficients, all zero. A mean takes one bit ("as before"); 15 bits end 32767 blocks of another coefficient. */
static struct bytes progressive(int side, int scans)
{
	const uint8_t high = (uint8_t)(side >> 8), low = (uint8_t)side;
	const uint8_t tables[] = {0xFF, 0xD8, 0xFF, 0xC2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0};
	const uint8_t means[] = {0xFF, 0xC4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	const uint8_t ends[] = {0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xE0};
	const uint8_t quantisation[] = {0xFF, 0xDB, 0, 67, 0}, end[] = {0xFF, 0xD9};
	const size_t blocks = (size_t)(side / 8) * (size_t)(side / 8);
	struct bytes b = {0};
	append(&b, tables, sizeof(tables));
	append(&b, quantisation, sizeof(quantisation));
	for (int i = 0; i < 64; i++)
		append(&b, (uint8_t[]){1}, 1);
	append(&b, means, sizeof(means));
	append(&b, ends, sizeof(ends));
	append_scan(&b, 0);
	append_zeros(&b, blocks / 8);
	for (int i = 1; i < scans; i++) {
		append_scan(&b, i);
		append_runs(&b, (blocks + 32766) / 32767);
	}
	append(&b, end, sizeof(end));
	return b;
}

static void refuse(struct bytes b, const char *says)
{
	struct thaw_image image = {0};
	struct thaw_encoded_image encoded;
	assert_int_equal(thaw_image_decode(&image, b.data, b.size, "red/one"), THAW_DATA);
	if (strncmp(thaw_error_message(), says, strlen(says)) != 0)
		fail_msg("%s", thaw_error_message());
	assert_non_null(strstr(thaw_error_message(), ": red/one: "));
	uint8_t *copy = thaw_alloc(b.size, 1);
	memcpy(copy, b.data, b.size);
	if (thaw_encoded_image_open(&encoded, copy, b.size, "red/one") == THAW_OK) {
		const struct thaw_rectangle corner = {0, 0, 8, 8};
		struct image_view view;
		assert_int_equal(thaw_encoded_image_decode_region(&encoded, &corner, 8, &view, &image), THAW_DATA);
		thaw_image_free(&image);
		thaw_encoded_image_free(&encoded);
	}
	free(b.data);
}

static void accept(struct bytes b, int side)
{
	struct thaw_image image = {0};
	if (thaw_image_decode(&image, b.data, b.size, "red/one") != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_int_equal(image.width, side);
	thaw_image_free(&image);
	free(b.data);
}

/* 4e9 / 8192 / 8192 is 59. */
static void many_scans_of_many_pixels(void **state)
{
	(void)state;
	accept(progressive(512, 64), 512);
	refuse(progressive(8192, 64), "damaged JPEG (more than 59 scans): ");
}

static void jpeg_header_without_data(void **state)
{
	(void)state;
	struct bytes b = progressive(64, 1);
	b.data[7] = b.data[9] = 9984 >> 8; /* height and width */
	b.data[8] = b.data[10] = 9984 & 255;
	refuse(b, "damaged JPEG (");
	assert_non_null(strstr(thaw_error_message(), "bytes cannot hold 9984 x 9984 pixels"));
}

/* A frame of one pixel on a screen of 178,910,550 pixels; 1000 x 1000 are accepted. */
static void gif_screen_without_data(void **state)
{
	(void)state;
	static const uint8_t gif[] = {'G', 'I', 'F', '8', '9', 'a', 0xFF, 0xFF, 0xAA, 0x0A, 0x80, 0,
				      0,   0,   0,   0,   255, 255, 255,  ',',  0,    0,    0,    0,
				      1,   0,   1,   0,   0,   2,   2,    0x44, 0x01, 0,    ';'};
	struct bytes b = {0}, small = {0};
	append(&b, gif, sizeof(gif));
	append(&small, gif, sizeof(gif));
	small.data[6] = small.data[8] = 1000 & 255;
	small.data[7] = small.data[9] = 1000 >> 8;
	accept(small, 1000);
	refuse(b, "damaged GIF (");
	assert_non_null(strstr(thaw_error_message(), "bytes cannot hold 65535 x 2730 pixels"));
}

static void bmp_headers_of_os2(void **state)
{
	(void)state;
	static const uint8_t start[] = {'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 78, 0, 0, 0, 64,
					0,   0,   0, 1, 0, 0, 0, 1, 0, 0, 0,  1, 0, 24};
	for (int header = 16; header <= 64; header += 48) {
		struct bytes b = {0};
		append(&b, start, sizeof(start));
		append_zeros(&b, 100);
		b.data[10] = (uint8_t)(header + 14);
		b.data[14] = (uint8_t)header;
		refuse(b, header == 16 ? "BMP with a header of OS/2 (16 bytes): "
				       : "BMP with a header of OS/2 (64 bytes): ");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_scans_of_many_pixels),
		cmocka_unit_test(jpeg_header_without_data),
		cmocka_unit_test(gif_screen_without_data),
		cmocka_unit_test(bmp_headers_of_os2),
	};
	return cmocka_run_group_tests_name("image claims", tests, NULL, NULL);
}
