// Boot.h: what the C and assembly of the kernel offer to the Swift room Machine.
#pragma once
#include "CPUBlock.h"
#include "Image.h"
#include "Instructions.h"
#include "SNPInstructions.h"

/// 129 zeroed lines of 64 bytes.
void *_Nonnull apus_owner_lines_address(void);
