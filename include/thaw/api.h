/* Linkage of the public headers: C names in C++, and the symbols that the libraries export.
 *
 * The libraries are compiled with hidden visibility. They export what is declared between THAW_BEGIN_DECLS and
 * THAW_END_DECLS. All other symbols are internal, in the shared and the static libraries (tests/cli/test_symbols.sh).
 */
#ifndef THAW_API_H
#define THAW_API_H

#ifdef __cplusplus
#define THAW_EXTERN_C_BEGIN_ extern "C" {
#define THAW_EXTERN_C_END_   }
#else
#define THAW_EXTERN_C_BEGIN_
#define THAW_EXTERN_C_END_
#endif

#define THAW_BEGIN_DECLS THAW_EXTERN_C_BEGIN_ _Pragma("GCC visibility push(default)")
#define THAW_END_DECLS   _Pragma("GCC visibility pop") THAW_EXTERN_C_END_

#endif
