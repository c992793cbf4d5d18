// Boot.h: what the C and assembly of the kernel offer to the Swift room Machine.
#pragma once
#include "CPUBlock.h"
#include "Image.h"
#include "Instructions.h"
