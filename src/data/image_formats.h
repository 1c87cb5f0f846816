/* The image formats, one per line. FORMAT(x) stands for `const struct image_format thaw_image_x`, defined in x.c. */
FORMAT(jpeg)
FORMAT(png)
