/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed.h: files that are built into the program. EMBED(symbol, "path") puts
 * the file's bytes there, as they are, with a NUL behind; paths begin where
 * the build runs. The object must be made to depend on the file (Makefile).
 */
#ifndef COMMON_EMBED_H
#define COMMON_EMBED_H

#define EMBED(symbol, file)                                                    \
    __asm__(".pushsection .rodata\n"                                           \
            ".global " #symbol "\n" #symbol ":\n"                              \
            ".incbin \"" file "\"\n"                                           \
            ".byte 0\n"                                                        \
            ".popsection\n");                                                  \
    extern const char symbol[]

#endif
