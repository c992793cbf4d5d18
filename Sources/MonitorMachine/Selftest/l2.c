// l2.c: the self-test guest: what an L2 does to L1.
#include "selftest.h"

void test_l2(void) {}
