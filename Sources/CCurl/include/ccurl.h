// Tritsmith: HTTP requests through libcurl, which is loaded when the first is made.
//
// No header of libcurl is needed to build this, and the program is not linked to it: the few functions and constants
// are declared here, as its ABI has had them since version 7.68 (curl/curl.h, curl/multi.h).

#ifndef CCURL_H
#define CCURL_H

#include <stddef.h>
#include <stdint.h>

/// A GET or HEAD request and its answer. Redirects are not followed, so that the caller decides who gets what.
typedef struct ccurl_transfer {
  // Asked.
  const char *url;
  /// Header lines.
  const char *const *headers;
  size_t header_count;
  /// "0-99", or NULL for everything.
  const char *range;
  int is_head;
  /// Where the body of an answer 200 or 206 goes; other bodies are dropped. More than fits ends the transfer.
  uint8_t *body;
  size_t body_capacity;
  /// Where the lines of the answer's head go; more than fits ends the transfer.
  char *head;
  size_t head_capacity;

  // Answered.
  size_t body_count;
  size_t head_count;
  int body_overflows;
  int head_overflows;
  /// 0 when no answer came.
  long status;
  /// 0 when the transfer was complete; else of libcurl.
  int code;
  char message[256];

  // Owned by the machinery.
  void *easy;
  void *lines;
  struct ccurl_transfer *next;
  int is_done;
  int is_dropped;
} ccurl_transfer;

/// Loads libcurl and starts its thread; 0 when both worked, also when they had before.
int ccurl_load(void);

/// What `ccurl_load` met.
const char *ccurl_load_error(void);

/// Carries out transfers side by side over one pool of connections. Any thread may call.
///
/// `is_cancelled` is asked ten times a second; all transfers end when it says 1.
void ccurl_run(ccurl_transfer **transfers, size_t count, int (*is_cancelled)(void *), void *context);

#endif
