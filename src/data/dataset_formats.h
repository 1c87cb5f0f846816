/* One line a dataset format, the first that recognises a folder has it: FORMAT(x) stands for
 * `const struct dataset_format thaw_dataset_x`, defined in x.c. */
FORMAT(idx)
FORMAT(cifar)
FORMAT(folder)
