// embedded-host: the clock and the pinning for the program on the embedded library.
#include "peer.h"
uint64_t peer_nanoseconds(void) { return nanoseconds(); }
void peer_pin(void) { pin(0); }
