// Tritsmith: SHA-256 of libcrypto by its own functions. OpenSSL prefers EVP, by which a static program holds every
// algorithm there is: 3.8 MB.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
