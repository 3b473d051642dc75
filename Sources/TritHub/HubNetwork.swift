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
  }
#else
  import Synchronization

  /// The Hub over the network.
  enum HubNetwork {
    static let isBuiltIn = true

    /// Repositories at their commits, so that a model named twice is listed once.
    private static let listed = Mutex<[String: HubRepository]>([:])

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
      guard let file = name.file else { return root.description }
      guard repository.kind(of: file) != nil else {
        throw HubError(.noFile(file, names: repository.modelNames), file: given)
      }
      return root.description + "/" + file
    }
  }
#endif
