// Tritsmith: the part that asks the network, or what stands in its place.

import TritCore

#if TRITSMITH_NO_NETWORK
  /// Built without the network.
  enum HubNetwork {
    static let isBuiltIn = false

    static func mount(
      _ name: HubName, given: String, _ environment: HubEnvironment, _ cancellation: CancellationFlag
    ) throws -> String {
      throw HubError(.offline(name, cache: environment.cache, reason: .build), file: given)
    }

    static func revisions(
      of name: HubName, given: String, _ environment: HubEnvironment, _ cancellation: CancellationFlag
    ) throws -> [String] { [] }

    static func save(_ path: String, to folder: String) throws -> Bool { false }
    static func finishSaving(_ path: String) throws {}
    static func endSaving(_ path: String) {}
  }
#else
  import Synchronization

  /// The Hub over the network.
  enum HubNetwork {
    static let isBuiltIn = true

    /// Repositories at their commits, so that a model named twice is listed once.
    private static let listed = Mutex<[String: HubRepository]>([:])
    /// The same by their paths.
    private static let mounted = Mutex<[String: HubRepository]>([:])

    /// The repository a path is in.
    private static func repository(of path: String) -> HubRepository? {
      mounted.withLock { mounted in
        mounted.first { path == $0.key || path.utf8.starts(with: ($0.key + "/").utf8) }?.value
      }
    }

    /// False for a path of this machine.
    static func save(_ path: String, to folder: String) throws -> Bool {
      guard let repository = repository(of: path) else { return false }
      try repository.save(to: folder)
      return true
    }

    static func finishSaving(_ path: String) throws { try repository(of: path)?.finishSaving() }

    static func endSaving(_ path: String) { repository(of: path)?.endSaving() }

    /// Branches and tags that the Hub has of a model.
    static func revisions(
      of name: HubName, given: String, _ environment: HubEnvironment, _ cancellation: CancellationFlag
    ) throws -> [String] {
      let client = try HubClient(environment, cancellation)
      let path = "/api/models/" + name.repository + "/refs"
      return try HubReferences(
        client.body(of: path, limit: HubReferences.limit, given: given, about: name), given: given
      ).names
    }

    /// Asks the Hub for a model, and puts its files under a path. Nothing of the weights is fetched.
    ///
    /// - Returns: `hf://OWNER/NAME@COMMIT`, with the file where one was named.
    static func mount(
      _ name: HubName, given: String, _ environment: HubEnvironment, _ cancellation: CancellationFlag
    ) throws -> String {
      let key = environment.endpoint + " " + name.repository + "@" + name.wantedRevision
      let repository: HubRepository
      if let known = listed.withLock({ $0[key] }) {
        repository = known
      } else {
        let client = try HubClient(environment, cancellation)
        repository = try HubRepository(listing: name, given: given, client)
        listed.withLock { $0[key] = repository }
      }
      var root = name.at(commit: repository.commit)
      root.file = nil
      RemoteFolders.mount(repository, at: root.description)
      mounted.withLock { $0[root.description] = repository }
      guard let file = name.file else { return root.description }
      guard repository.kind(of: file) != nil else {
        throw HubError(.noFile(file, names: repository.modelNames), file: given)
      }
      return root.description + "/" + file
    }
  }
#endif
