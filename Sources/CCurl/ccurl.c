// Tritsmith: HTTP requests through libcurl. One thread owns one multi handle, and with it every connection.

#define _GNU_SOURCE
#include "ccurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

// Of curl/curl.h: a number is 0 + n for long, 10000 + n for pointers, 20000 + n for functions.
enum {
  OPT_LOW_SPEED_LIMIT = 19,
  OPT_LOW_SPEED_TIME = 20,
  OPT_NOBODY = 44,
  OPT_FOLLOWLOCATION = 52,
  OPT_SSL_VERIFYPEER = 64,
  OPT_SSL_VERIFYHOST = 81,
  OPT_BUFFERSIZE = 98,
  OPT_NOSIGNAL = 99,
  OPT_CONNECTTIMEOUT_MS = 156,
  OPT_PROTOCOLS = 181,
  OPT_TCP_KEEPALIVE = 213,
  OPT_WRITEDATA = 10001,
  OPT_URL = 10002,
  OPT_RANGE = 10007,
  OPT_ERRORBUFFER = 10010,
  OPT_USERAGENT = 10018,
  OPT_HTTPHEADER = 10023,
  OPT_HEADERDATA = 10029,
  OPT_PRIVATE = 10103,
  OPT_WRITEFUNCTION = 20011,
  OPT_HEADERFUNCTION = 20079,
};
enum { INFO_RESPONSE_CODE = 0x200002, INFO_PRIVATE = 0x100015 };
enum { MULTI_MAXCONNECTS = 6, MULTI_MAX_HOST_CONNECTIONS = 7 };
enum { MESSAGE_DONE = 1, GLOBAL_ALL = 3, PROTOCOL_HTTP = 1, PROTOCOL_HTTPS = 2 };
enum { CODE_CANCELLED = 42, CODE_FAILED_INIT = 2 };

typedef struct {
  int message;
  void *easy;
  union {
    void *pointer;
    int result;
  } data;
} multi_message;

static struct {
  int (*global_init)(long);
  void *(*easy_init)(void);
  int (*easy_setopt)(void *, int, ...);
  int (*easy_getinfo)(void *, int, ...);
  void (*easy_cleanup)(void *);
  const char *(*easy_strerror)(int);
  void *(*slist_append)(void *, const char *);
  void (*slist_free_all)(void *);
  void *(*multi_init)(void);
  int (*multi_setopt)(void *, int, ...);
  int (*multi_add_handle)(void *, void *);
  int (*multi_remove_handle)(void *, void *);
  int (*multi_perform)(void *, int *);
  int (*multi_poll)(void *, void *, unsigned, int, int *);
  int (*multi_wakeup)(void *);
  multi_message *(*multi_info_read)(void *, int *);
} curl;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
static void *multi;
static ccurl_transfer *waiting;
static int drops_wanted;
static int is_loaded;
static char load_error[512];

static size_t write_body(char *bytes, size_t size, size_t count, void *context) {
  ccurl_transfer *transfer = context;
  size_t length = size * count;
  if (transfer->status == 0) curl.easy_getinfo(transfer->easy, INFO_RESPONSE_CODE, &transfer->status);
  if (transfer->status != 200 && transfer->status != 206) return length;
  if (length > transfer->body_capacity - transfer->body_count) {
    transfer->body_overflows = 1;
    return 0;
  }
  memcpy(transfer->body + transfer->body_count, bytes, length);
  transfer->body_count += length;
  return length;
}

static size_t write_head(char *bytes, size_t size, size_t count, void *context) {
  ccurl_transfer *transfer = context;
  size_t length = size * count;
  // Of several answers, as after 100 or from a proxy, the last counts.
  if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0) transfer->head_count = 0;
  if (length > transfer->head_capacity - transfer->head_count) {
    transfer->head_overflows = 1;
    return 0;
  }
  memcpy(transfer->head + transfer->head_count, bytes, length);
  transfer->head_count += length;
  return length;
}

/// Under the mutex.
static void finish(ccurl_transfer *transfer, int code) {
  transfer->code = code;
  if (transfer->easy) {
    curl.easy_getinfo(transfer->easy, INFO_RESPONSE_CODE, &transfer->status);
    curl.easy_cleanup(transfer->easy);
    transfer->easy = NULL;
  }
  if (transfer->lines) curl.slist_free_all(transfer->lines);
  transfer->lines = NULL;
  if (code != 0 && transfer->message[0] == 0)
    snprintf(transfer->message, sizeof transfer->message, "%s", curl.easy_strerror(code));
  transfer->is_done = 1;
}

/// Under the mutex.
static void begin(ccurl_transfer *transfer) {
  void *easy = curl.easy_init();
  transfer->easy = easy;
  if (!easy) return finish(transfer, CODE_FAILED_INIT);
  for (size_t index = 0; index < transfer->header_count; index++) {
    void *longer = curl.slist_append(transfer->lines, transfer->headers[index]);
    // A request without one of its lines would be another one.
    if (!longer) return finish(transfer, CODE_FAILED_INIT);
    transfer->lines = longer;
  }
  int failure = 0;
  failure |= curl.easy_setopt(easy, OPT_URL, transfer->url);
  failure |= curl.easy_setopt(easy, OPT_PRIVATE, (void *)transfer);
  failure |= curl.easy_setopt(easy, OPT_ERRORBUFFER, transfer->message);
  failure |= curl.easy_setopt(easy, OPT_NOSIGNAL, 1L);
  failure |= curl.easy_setopt(easy, OPT_FOLLOWLOCATION, 0L);
  failure |= curl.easy_setopt(easy, OPT_PROTOCOLS, (long)(PROTOCOL_HTTP | PROTOCOL_HTTPS));
  failure |= curl.easy_setopt(easy, OPT_SSL_VERIFYPEER, 1L);
  failure |= curl.easy_setopt(easy, OPT_SSL_VERIFYHOST, 2L);
  failure |= curl.easy_setopt(easy, OPT_CONNECTTIMEOUT_MS, 15000L);
  // Less than this for so long is no connection any more.
  failure |= curl.easy_setopt(easy, OPT_LOW_SPEED_LIMIT, 16L);
  failure |= curl.easy_setopt(easy, OPT_LOW_SPEED_TIME, 30L);
  failure |= curl.easy_setopt(easy, OPT_TCP_KEEPALIVE, 1L);
  // Sixteen times the usual: fewer calls of the system, and it still stays in the cache until it is copied.
  failure |= curl.easy_setopt(easy, OPT_BUFFERSIZE, 256L << 10);
  failure |= curl.easy_setopt(easy, OPT_USERAGENT, "tritsmith");
  failure |= curl.easy_setopt(easy, OPT_HTTPHEADER, transfer->lines);
  failure |= curl.easy_setopt(easy, OPT_WRITEFUNCTION, write_body);
  failure |= curl.easy_setopt(easy, OPT_WRITEDATA, (void *)transfer);
  failure |= curl.easy_setopt(easy, OPT_HEADERFUNCTION, write_head);
  failure |= curl.easy_setopt(easy, OPT_HEADERDATA, (void *)transfer);
  if (transfer->range) failure |= curl.easy_setopt(easy, OPT_RANGE, transfer->range);
  if (transfer->is_head) failure |= curl.easy_setopt(easy, OPT_NOBODY, 1L);
  // Whatever could not be set, verification of the other side may be it.
  if (failure) return finish(transfer, CODE_FAILED_INIT);
  if (curl.multi_add_handle(multi, easy) != 0) finish(transfer, CODE_FAILED_INIT);
}

/// Transfers that were begun and are not done. Only the thread touches it.
static ccurl_transfer *running;

static void *work(void *unused) {
  (void)unused;
  for (;;) {
    pthread_mutex_lock(&mutex);
    int changed = 0;
    while (waiting) {
      ccurl_transfer *transfer = waiting;
      waiting = transfer->next;
      if (transfer->is_dropped)
        finish(transfer, CODE_CANCELLED);
      else
        begin(transfer);
      if (transfer->is_done) {
        changed = 1;
      } else {
        transfer->next = running;
        running = transfer;
      }
    }
    if (drops_wanted) {
      drops_wanted = 0;
      ccurl_transfer **place = &running;
      while (*place) {
        ccurl_transfer *transfer = *place;
        if (transfer->is_dropped) {
          *place = transfer->next;
          curl.multi_remove_handle(multi, transfer->easy);
          finish(transfer, CODE_CANCELLED);
          changed = 1;
        } else {
          place = &transfer->next;
        }
      }
    }
    if (changed) pthread_cond_broadcast(&finished);
    pthread_mutex_unlock(&mutex);

    int active = 0, left = 0;
    curl.multi_perform(multi, &active);
    multi_message *message;
    while ((message = curl.multi_info_read(multi, &left))) {
      if (message->message != MESSAGE_DONE) continue;
      void *easy = message->easy;
      int result = message->data.result;
      ccurl_transfer *transfer = NULL;
      curl.easy_getinfo(easy, INFO_PRIVATE, &transfer);
      curl.multi_remove_handle(multi, easy);
      for (ccurl_transfer **place = &running; *place; place = &(*place)->next) {
        if (*place != transfer) continue;
        *place = transfer->next;
        break;
      }
      pthread_mutex_lock(&mutex);
      finish(transfer, result);
      pthread_cond_broadcast(&finished);
      pthread_mutex_unlock(&mutex);
    }
    curl.multi_poll(multi, NULL, 0, 1000, NULL);
  }
  return NULL;
}

static int find(void *library, const char *name, void *place) {
  void *symbol = dlsym(library, name);
  if (!symbol) {
    snprintf(load_error, sizeof load_error, "libcurl has no function %s; 7.68 or newer is needed", name);
    return 0;
  }
  memcpy(place, &symbol, sizeof symbol);
  return 1;
}

static int load(void) {
  static const char *const names[] = {
      "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib", "libcurl.dylib"};
  void *library = NULL;
  for (size_t index = 0; !library && index < sizeof names / sizeof *names; index++)
    library = dlopen(names[index], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    snprintf(load_error, sizeof load_error, "%s", reason ? reason : "libcurl.so.4 was not found");
    return 0;
  }
#define FIND(name) find(library, "curl_" #name, &curl.name)
  if (!(FIND(global_init) && FIND(easy_init) && FIND(easy_setopt) && FIND(easy_getinfo) && FIND(easy_cleanup) &&
        FIND(easy_strerror) && FIND(slist_append) && FIND(slist_free_all) && FIND(multi_init) && FIND(multi_setopt) &&
        FIND(multi_add_handle) && FIND(multi_remove_handle) && FIND(multi_perform) && FIND(multi_poll) &&
        FIND(multi_wakeup) && FIND(multi_info_read)))
    return 0;
#undef FIND
  if (curl.global_init(GLOBAL_ALL) != 0 || !(multi = curl.multi_init())) {
    snprintf(load_error, sizeof load_error, "libcurl could not be started");
    return 0;
  }
  curl.multi_setopt(multi, MULTI_MAX_HOST_CONNECTIONS, 16L);
  curl.multi_setopt(multi, MULTI_MAXCONNECTS, 64L);
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, NULL) != 0) {
    snprintf(load_error, sizeof load_error, "no thread could be made for it");
    return 0;
  }
  pthread_detach(thread);
  return 1;
}

int ccurl_load(void) {
  pthread_mutex_lock(&mutex);
  if (!is_loaded) is_loaded = load();
  int result = is_loaded ? 0 : 1;
  pthread_mutex_unlock(&mutex);
  return result;
}

const char *ccurl_load_error(void) { return load_error; }

void ccurl_run(ccurl_transfer **transfers, size_t count, int (*is_cancelled)(void *), void *context) {
  pthread_mutex_lock(&mutex);
  for (size_t index = 0; index < count; index++) {
    ccurl_transfer *transfer = transfers[index];
    // In order: the first asked for is the first begun.
    ccurl_transfer **place = &waiting;
    while (*place) place = &(*place)->next;
    transfer->next = NULL;
    *place = transfer;
  }
  curl.multi_wakeup(multi);
  int is_stopping = 0;
  for (;;) {
    int is_complete = 1;
    for (size_t index = 0; index < count; index++) is_complete = is_complete && transfers[index]->is_done;
    if (is_complete) break;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100000000;
    if (until.tv_nsec >= 1000000000) {
      until.tv_nsec -= 1000000000;
      until.tv_sec += 1;
    }
    pthread_cond_timedwait(&finished, &mutex, &until);
    if (is_stopping || !is_cancelled || !is_cancelled(context)) continue;
    is_stopping = 1;
    for (size_t index = 0; index < count; index++) transfers[index]->is_dropped = 1;
    drops_wanted = 1;
    curl.multi_wakeup(multi);
  }
  pthread_mutex_unlock(&mutex);
}
