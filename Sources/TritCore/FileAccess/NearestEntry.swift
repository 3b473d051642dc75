// Tritsmith: what a path that leads nowhere was meant to be.

import VisibleText

/// Where a path goes wrong: the last folder on its way, and what that holds.
package struct NearestEntry: Sendable, Equatable {
  /// The folder that exists; `.` for the current one.
  package var folder: String
  /// The part of the path that is not in it.
  package var missing: String
  /// Names in the folder, hidden ones left out.
  package var names: [String]

  /// Nil for a path that exists, for one of the network, and where no folder on its way can be read.
  package init?(of path: String) {
    guard !path.utf8.starts(with: RemoteFolders.scheme.utf8), FileSystem.kindWithoutFollowing(path) == nil else {
      return nil
    }
    var place = path
    while FileSystem.kind(of: FileSystem.parent(of: place)) == nil {
      let above = FileSystem.parent(of: place)
      guard above != place, above != "." else { return nil }
      place = above
    }
    folder = FileSystem.parent(of: place)
    missing = FileSystem.name(of: place)
    guard FileSystem.kind(of: folder) == .folder, let found = try? FileSystem.names(in: folder) else { return nil }
    names = found.filter { !$0.hasPrefix(".") }
  }

  /// The entry whose name is nearest to the one that is missing, as it can be given again; nil where none is near.
  package var suggestion: String? {
    nearestMatch(to: missing, among: names).map { folder == "." ? $0 : FileSystem.join(folder, $0) }
  }
}
