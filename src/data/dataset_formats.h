/* The dataset formats, one per line; the first that recognises a folder opens it. FORMAT(x) stands for
 * `const struct dataset_format thaw_dataset_x`, defined in x.c. */
FORMAT(idx)
FORMAT(cifar)
FORMAT(cifar_pickles)
FORMAT(flowers102)
FORMAT(pets)
FORMAT(imagenet)
FORMAT(tar)
FORMAT(folder)
