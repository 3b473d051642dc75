// Tritsmith: the functions of libdispatch that Dispatch.swift calls. Its own headers keep some of them from Swift.

#ifndef CDISPATCH_H
#define CDISPATCH_H

#include <stddef.h>
#include <stdint.h>

void dispatch_release(void *_Nonnull object);
void *_Nonnull dispatch_get_global_queue(intptr_t identifier, uintptr_t flags);
void *_Nonnull dispatch_queue_create(const char *_Nullable label, void *_Nullable attributes);
void dispatch_async_f(void *_Nonnull queue, void *_Nullable context, void (*_Nonnull work)(void *_Nullable));
void dispatch_sync_f(void *_Nonnull queue, void *_Nullable context, void (*_Nonnull work)(void *_Nullable));
void dispatch_apply_f(
    size_t iterations, void *_Nullable queue, void *_Nullable context,
    void (*_Nonnull work)(void *_Nullable, size_t));
void *_Nonnull dispatch_group_create(void);
void dispatch_group_enter(void *_Nonnull group);
void dispatch_group_leave(void *_Nonnull group);
void dispatch_group_async_f(
    void *_Nonnull group, void *_Nonnull queue, void *_Nullable context, void (*_Nonnull work)(void *_Nullable));
intptr_t dispatch_group_wait(void *_Nonnull group, uint64_t timeout);
void *_Nonnull dispatch_semaphore_create(intptr_t value);
intptr_t dispatch_semaphore_wait(void *_Nonnull semaphore, uint64_t timeout);
intptr_t dispatch_semaphore_signal(void *_Nonnull semaphore);

#endif
