// Tritsmith: tells ThreadSanitizer of Swift's Mutex.
//
// A Mutex that is free is taken and given back by atomics the compiler instruments. One that is not is waited for in
// Swift's own library, which is not instrumented: without this, whatever a contended Mutex guards is reported as a race.
// Loaded before that library by .ci/sanitize; it stands in front of its slow paths and calls them.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

typedef SWIFT void (*Lock)(uint32_t thread, SELF void *mutex);
typedef SWIFT bool (*TryLock)(SELF void *mutex);
typedef SWIFT void (*Unlock)(SELF void *mutex);

SWIFT void trit_lock(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT bool trit_try(SELF void *mutex) __asm__(TRY);
SWIFT void trit_unlock(SELF void *mutex) __asm__(UNLOCK);

SWIFT void trit_lock(uint32_t thread, SELF void *mutex) {
  ((Lock)dlsym(RTLD_NEXT, LOCK))(thread, mutex);
  if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT bool trit_try(SELF void *mutex) {
  bool taken = ((TryLock)dlsym(RTLD_NEXT, TRY))(mutex);
  if (taken && __tsan_acquire) __tsan_acquire(mutex);
  return taken;
}

SWIFT void trit_unlock(SELF void *mutex) {
  if (__tsan_release) __tsan_release(mutex);
  ((Unlock)dlsym(RTLD_NEXT, UNLOCK))(mutex);
}
