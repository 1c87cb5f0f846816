/* Files of the source tree in the program, included by the assembler. */
#ifndef THAW_SRC_MODEL_INCLUDED_H
#define THAW_SRC_MODEL_INCLUDED_H

/* Defines the bytes [NAME_begin, NAME_end) with the contents of a file, whose path is from the top of the tree. */
#define THAW_INCLUDE_FILE(name, path)                                                    \
	__asm__(".pushsection .rodata\n"                                                 \
		".balign 64\n"                                                           \
		".global " #name "_begin\n"                                              \
		".hidden " #name "_begin\n" #name "_begin:\n"                            \
		".incbin \"" path "\"\n"                                                 \
		".global " #name "_end\n"                                                \
		".hidden " #name "_end\n" #name "_end:\n"                                \
		".popsection\n");                                                        \
	extern const unsigned char name##_begin[] __attribute__((visibility("hidden"))); \
	extern const unsigned char name##_end[] __attribute__((visibility("hidden")))

#endif
