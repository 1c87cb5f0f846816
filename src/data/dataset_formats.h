/* The dataset formats, one per line; the first that recognises a folder opens it. FORMAT(x) stands for
 * `const struct dataset_format thaw_dataset_x`, defined in x.c. */
FORMAT(idx)
FORMAT(cifar)
FORMAT(tar)
FORMAT(folder)
