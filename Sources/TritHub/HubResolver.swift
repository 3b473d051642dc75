// Tritsmith: from what a user gives for a model to a path that every reader opens.

import TritCore

/// Finds models by path or by name: a path that exists, then the cache of downloads, then the network.
package struct HubResolver: Sendable {
  private let environment: HubEnvironment
  private let isOffline: Bool
  private let cancellation: CancellationFlag

  /// - Parameters:
  ///   - environment: variables of the Hub's own tools.
  ///   - isOffline: do not ask the network, whatever the variables say.
  ///   - cancellation: ends what the network has begun.
  package init(
    environment: HubEnvironment = .process, isOffline: Bool = false, cancellation: CancellationFlag = CancellationFlag()
  ) {
    self.environment = environment
    self.isOffline = isOffline
    self.cancellation = cancellation
  }

  /// A path for a model that was given as a path or by its name.
  ///
  /// What can only be a path comes back as it is, whether it exists or not: its reader says what is wrong with it.
  ///
  /// - Throws: `HubError` for a name that is nowhere, `TensorIOError` when the network fails.
  package func path(of given: String) throws -> String {
    guard FileSystem.kind(of: given) == nil else { return try HubCache.model(inRepository: given) ?? given }
    guard let name = HubName(given) else { return given }
    let cache = HubCache(folder: environment.cache)
    let finding = cache.find(name)
    if case .complete(let path) = finding { return path }
    if let entry = HubResolver.local(given) { throw HubError(.notInFolder(entry, name), file: given) }
    if let reason = offlineReason {
      throw HubError(.offline(name, cache: cache.folder, reason: reason, cached: text(finding)), file: given)
    }
    return try remotePath(name, given: given)
  }

  /// Revisions that forms of one ternary model are published in.
  private static let forms = [HubName.mainRevision, "bitnet", "bfloat16", "prequantized"]

  /// The names of all forms of a model that was named without a revision: those of `forms` that it has.
  ///
  /// The Hub is asked, since a cache has only what was fetched; where it is not to be asked, the cache. What is a path,
  /// or names a revision or a file, comes back alone.
  package func forms(of given: String) throws -> [String] {
    guard FileSystem.kind(of: given) == nil, let name = HubName(given), name.revision == nil, name.file == nil,
      HubResolver.local(given) == nil
    else { return [given] }
    let published =
      offlineReason == nil
      ? try HubNetwork.revisions(of: name, given: given, environment, cancellation)
      : HubCache(folder: environment.cache).revisions(of: name)
    let found = HubResolver.forms.filter(published.contains)
    return found.isEmpty ? [given] : found.map { name.repository + "@" + $0 }
  }

  /// Puts the files of a model under the path that `path(of:)` gave for it in another process.
  ///
  /// Nothing for a path of this machine. The cache is not asked: what the path is bound to is the Hub's.
  package func findAgain(_ path: String) throws {
    guard path.utf8.starts(with: RemoteFolders.scheme.utf8), FileSystem.kind(of: path) == nil, let name = HubName(path)
    else { return }
    if let reason = offlineReason {
      throw HubError(.offline(name, cache: environment.cache, reason: reason), file: path)
    }
    _ = try remotePath(name, given: path)
  }

  /// Carries out work on a model and keeps the files it reads over the network in a folder, laid out as a download cache.
  ///
  /// Bytes the work did not need are fetched at the end; a failure leaves nothing but blobs that were complete.
  ///
  /// - Parameter path: from `path(of:)`, before anything of it was read.
  /// - Throws: `HubError.notRemote` for a path of this machine; what the work throws.
  package func saving<Result>(_ path: String, to folder: String, _ work: () throws -> Result) throws -> Result {
    guard try HubNetwork.save(path, to: folder) else { throw HubError(.notRemote, file: path) }
    defer { HubNetwork.endSaving(path) }
    let result = try work()
    try HubNetwork.finishSaving(path)
    return result
  }

  /// Where a name goes wrong that begins with a folder of this machine: a path mistyped is nothing to ask a network for.
  private static func local(_ given: String) -> NearestEntry? {
    NearestEntry(of: given).flatMap { $0.folder == "." ? nil : $0 }
  }

  private var offlineReason: HubErrorKind.OfflineReason? {
    if isOffline { return .option }
    if environment.isOffline { return .variable }
    return HubNetwork.isBuiltIn ? nil : .build
  }

  private func text(_ finding: HubCache.Finding) -> String? {
    guard case .incomplete(let lack, let path) = finding else { return nil }
    return "the cache has \(printable(path)), which \(lack)"
  }

  private func remotePath(_ name: HubName, given: String) throws -> String {
    try HubNetwork.mount(name, given: given, environment, cancellation)
  }
}
