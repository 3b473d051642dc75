// Tritsmith: the C library of this platform under one name; no other source file names it.
//
// A module that imports this one sees the C library's functions; those that import that module do not.

#if canImport(Glibc)
  @_exported import Glibc
#elseif canImport(Musl)
  @_exported import Musl
#elseif canImport(Android)
  @_exported import Android
#elseif canImport(Darwin)
  @_exported import Darwin
#endif
