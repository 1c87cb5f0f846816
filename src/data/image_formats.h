/* One line per image format: FORMAT(x) is `const struct image_format thaw_image_x`, defined in x.c. */
FORMAT(jpeg)
FORMAT(png)
FORMAT(webp)
FORMAT(tiff)
FORMAT(bmp)
FORMAT(gif)
