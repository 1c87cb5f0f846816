/* Text that the build computes (Makefile: gen/build_text.c). */
#ifndef THAW_SRC_BASE_BUILD_TEXT_H
#define THAW_SRC_BASE_BUILD_TEXT_H

extern const char thaw_build_text[];

#endif
