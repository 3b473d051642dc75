// Tritsmith: failures of files and folders.

import LibC

/// A file or folder could not be opened, read, made or put in place. Used by every format.
package typealias TensorIOError = Diagnostic<TensorIOErrorKind>

package enum TensorIOErrorKind: PlacedDiagnosticKind {
  case cannotOpen(errno: Int32)
  case notAFile(found: String)
  case notAFolder(found: String)
  case readFailed(errno: Int32)
  case endsEarly(expected: UInt64, found: UInt64)
  case changedWhileRead(detail: String)
  case tooLarge(byteCount: UInt64, limit: UInt64)
  case alreadyExists
  case parentMissing(String)
  case overlapsInput(input: String, detail: String)
  case holdsOtherThings(String)
  case isOfAnotherKind(found: String, wanted: String)
  case cannotCreate(errno: Int32)
  case cannotLock(errno: Int32)
  /// Another run works in a folder.
  case inUse
  /// The process may open no more files.
  case tooFewDescriptors
  case noSpace(needed: UInt64, free: UInt64)
  case writeFailed(errno: Int32)
  case syncFailed(errno: Int32)
  case cannotReplace(errno: Int32)
  case incomplete(written: UInt64, expected: UInt64)
  case outOfRange(requested: Range<UInt64>, byteCount: UInt64)
  /// Of a file that is read over a network.
  case transfer(TransferFault)

  package var summary: String {
    switch self {
    case .cannotOpen(let code): "cannot be opened: \(Platform.message(forErrno: code))"
    case .notAFile(let found): "expected a file, found \(found)"
    case .notAFolder(let found): "expected a folder, found \(found)"
    case .readFailed(let code): "reading failed: \(Platform.message(forErrno: code))"
    case .endsEarly(let expected, let found): "the file ends early: expected \(expected) bytes, found \(found)"
    case .changedWhileRead(let detail): "the file changed while it was read: \(detail)"
    case .tooLarge(let count, let limit): "\(count) bytes, more than the \(limit) this kind of file may have"
    case .alreadyExists: "exists already"
    case .parentMissing(let parent):
      FileSystem.kind(of: parent).map { "its folder '\(printable(parent))' is \($0.name)" }
        ?? "its folder '\(printable(parent))' does not exist"
    case .overlapsInput(let input, let detail): "\(detail) the input '\(printable(input))'"
    case .holdsOtherThings(let what): "will not be replaced: it holds \(what), which no conversion writes"
    case .isOfAnotherKind(let found, let wanted): "will not be replaced by \(wanted): it is \(found)"
    case .cannotCreate(let code): "cannot be created: \(Platform.message(forErrno: code))"
    case .tooFewDescriptors: "the process may not open as many files at once as this needs"
    case .cannotLock(let code): "a file beside it cannot be locked: \(Platform.message(forErrno: code))"
    case .inUse: "another run is at work in it"
    case .noSpace(let needed, let free): "needs \(needed) bytes, but the file system has \(free) free"
    case .writeFailed(let code): "writing failed: \(Platform.message(forErrno: code))"
    case .syncFailed(let code): "the data could not be brought to disk: \(Platform.message(forErrno: code))"
    case .cannotReplace(let code): "the finished output could not be put in place: \(Platform.message(forErrno: code))"
    case .incomplete(let written, let expected): "only \(written) of \(expected) bytes were written"
    case .outOfRange(let range, let count):
      "bytes \(range.lowerBound) to \(range.upperBound) were asked for, but the file has \(count)"
    case .transfer(let fault): fault.summary
    }
  }

  package func remedy(at location: ErrorLocation) -> String? {
    switch self {
    case .cannotOpen(errno: EMFILE), .cannotOpen(errno: ENFILE), .cannotCreate(errno: EMFILE):
      TensorIOErrorKind.tooFewDescriptors.remedy(at: location)
    case .cannotOpen(errno: ENOENT) where location.file?.utf8.starts(with: RemoteFolders.scheme.utf8) == true:
      "a name on the Hub is \(RemoteFolders.scheme)OWNER/NAME, with @REVISION or a file after it where need be"
    case .cannotOpen(errno: ENOENT):
      "check the path; nothing is there"
        + (location.file.flatMap { NearestEntry(of: $0) }?.suggestion.map { ": did you mean '\(printable($0))'?" } ?? "")
    case .cannotOpen: "check the path and its permissions"
    case .notAFile: "name the file that is meant"
    case .notAFolder: "name a folder that holds a model"
    case .endsEarly: "it became shorter while it was read: let the other program finish, then run again"
    case .changedWhileRead: "let the other program finish, then run again"
    case .alreadyExists: "choose another name, or replace it with --force"
    case .parentMissing(let parent):
      FileSystem.kind(of: parent) == nil
        ? "create it first: mkdir -p '\(printable(parent))'" : "choose a place in a folder"
    case .overlapsInput: "write to a place outside the input; inputs are never modified"
    case .isOfAnotherKind: "choose another name, or remove it by hand"
    case .holdsOtherThings: "remove it by hand if it is really to go"
    case .cannotCreate(errno: ENAMETOOLONG): "choose a shorter name: most file systems take 255 bytes"
    case .tooFewDescriptors:
      "raise the limit: ulimit -n 256 is enough for one output, and one more for each shard written"
    case .cannotLock: "write to a file system that has locks (flock), then move the output"
    case .inUse: "wait until it has ended, or end it"
    case .cannotCreate, .cannotReplace: "check that the folder exists and can be written to"
    case .noSpace, .writeFailed, .syncFailed: "free some space or write to another disk; nothing was left behind"
    case .readFailed: "check the disk, then run again"
    case .incomplete, .outOfRange: "please report this: it is a fault of this program"
    case .tooLarge: "check that this is the file you meant"
    case .transfer(let fault): fault.remedy
    }
  }

  package func category(at _: ErrorLocation) -> ErrorCategory {
    switch self {
    case .cannotOpen(errno: EMFILE), .cannotOpen(errno: ENFILE), .cannotCreate(errno: EMFILE): .inputOutput
    case .cannotOpen, .notAFile, .notAFolder: .cannotOpen
    case .tooLarge: .malformedInput
    case .endsEarly, .readFailed, .changedWhileRead, .tooFewDescriptors, .noSpace, .writeFailed, .syncFailed:
      .inputOutput
    case .alreadyExists, .parentMissing, .holdsOtherThings, .isOfAnotherKind, .cannotCreate, .cannotLock,
      .inUse, .cannotReplace:
      .cannotCreate
    case .overlapsInput: .misuse
    case .incomplete, .outOfRange: .internalFault
    case .transfer(let fault): fault.category
    }
  }
}

extension TensorIOError {
  package init(_ kind: Kind, path: String?, tensor: String? = nil, byteOffset: UInt64? = nil) {
    self.init(kind, file: path, tensor: tensor, byteOffset: byteOffset)
  }
}
