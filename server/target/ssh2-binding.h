/*
 * Included before all else when the native part of ssh2 is compiled (`-include`, from setup.mjs or by the line that
 * `bartizan serve` prints). Headers of Node 24.21 and others give every node::ObjectWrap a clean-up hook of its own. Its
 * destructor removes that hook by way of the current context, and a garbage collection that an allocation sets off has
 * none: that aborts the process, with every shell in it. Here objects have no such hook, as with older headers; what is
 * still in use when Node ends goes with the process.
 */
#include <node.h>

#define AddEnvironmentCleanupHook(isolate, hook, object) ((void)0)
#define RemoveEnvironmentCleanupHook(isolate, hook, object) ((void)0)
