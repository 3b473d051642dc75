// Tritsmith: what a conversion will read next, fetched over a network while it works on what it has.

import Dispatch
import Synchronization
import TritCore
import TritModel
import TritSurvey

/// Fetches in the order of the reads, as far ahead as memory allows, and keeps each byte until its last read is done.
///
/// Small tensors that stand beside each other come with one request. A read that cannot be fetched ahead holds up what
/// follows it, so that the bytes of a file pass in order: a digest is made of them.
final class ReadAhead: Sendable {
  /// What one read of a conversion needs.
  enum Need: Sendable {
    case places([FileRange])
    /// The reader asks the source itself.
    case unknown
  }

  /// Ranges that come and go together.
  private final class Unit: Sendable {
    /// None for a read that is not fetched ahead.
    let places: [FileRange]
    let byteCount: Int
    let isUnknown: Bool
    /// Signalled once when it has come, or never will, and by everyone who has waited.
    let arrival = DispatchSemaphore(value: 0)
    let failure = Mutex<(any Error)?>(nil)

    init(_ places: [FileRange], isUnknown: Bool) {
      self.places = places
      self.isUnknown = isUnknown
      byteCount = ReadAhead.byteCount(places)
    }
  }

  private struct State {
    /// The first unit that nobody has asked for.
    var next = 0
    /// The last one that a reader waits for.
    var wanted = -1
    /// Reads to come, by units.
    var reads: [Int]
    /// Units in memory or on their way.
    var held: Set<Int> = []
    var heldBytes = 0
    var mostBytes = 0
    var idleLanes: [Int]
    var isStopped = false
  }

  private let units: [Unit]
  /// By reads.
  private let unitOfRead: [Int]
  private let limit: Int
  private let state: Mutex<State>
  /// A queue of its own for each request that is under way: it waits, and others must not wait for it.
  private let lanes = (0..<laneCount).map { DispatchQueue(label: "tritsmith.ahead.\($0)") }
  private static let laneCount = 2
  private let underway = DispatchGroup()
  private let isUnwanted = CancellationFlag()

  /// Bytes that small reads are put together to.
  static let groupBytes = 16 << 20
  /// What a read of any size may come along with.
  private static let smallBytes = 1 << 20
  /// Bytes between two ranges that are not worth a request of their own.
  private static let gapBytes: UInt64 = 4096

  /// - Parameter limit: bytes in memory, but for what is read at the same time.
  init(_ reads: [Need], limit: Int) {
    var places: [[FileRange]?] = []
    var unitOfRead: [Int] = []
    for need in reads {
      if case .places(let wanted) = need {
        if let last = places.last, let last, let joined = ReadAhead.joined(last, wanted) {
          places[places.count - 1] = joined
        } else {
          places.append(ReadAhead.union(wanted))
        }
      } else {
        places.append(nil)
      }
      unitOfRead.append(places.count - 1)
    }
    units = places.map { Unit($0 ?? [], isUnknown: $0 == nil) }
    self.unitOfRead = unitOfRead
    self.limit = limit
    var counts = [Int](repeating: 0, count: units.count)
    for unit in unitOfRead { counts[unit] += 1 }
    state = Mutex(State(reads: counts, idleLanes: Array(0..<ReadAhead.laneCount)))
    pump()
  }

  /// The most that was in memory at once.
  var mostBytes: Int { state.withLock { $0.mostBytes } }

  /// Waits until what a read needs is in memory. Reads begin in order, and each ends with `leave`.
  ///
  /// - Throws: what fetching it met.
  func enter(_ read: Int) throws {
    let index = unitOfRead[read]
    let unit = units[index]
    guard !unit.isUnknown else { return }
    state.withLock { $0.wanted = max($0.wanted, index) }
    pump()
    unit.arrival.wait()
    unit.arrival.signal()
    if let error = unit.failure.withLock({ $0 }) { throw error }
  }

  /// A read is done.
  func leave(_ read: Int) {
    let index = unitOfRead[read]
    let isLast = state.withLock { state in
      state.reads[index] -= 1
      return state.reads[index] == 0
    }
    if isLast { letGo(index) }
    pump()
  }

  /// Does a read.
  func during(_ read: Int, _ body: () throws -> Void) throws {
    try enter(read)
    defer { leave(read) }
    try body()
  }

  /// Ends what is on its way and lets go of everything.
  func stop() {
    abandon(CancellationFailure())
    isUnwanted.cancel()
    underway.wait()
    for index in state.withLock({ $0.held.sorted() }) { letGo(index) }
  }

  private func letGo(_ index: Int) {
    guard state.withLock({ $0.held.remove(index) }) != nil else { return }
    for place in units[index].places { place.file.letGo(place.range) }
    // After it is gone: its digest may have kept it for a while.
    state.withLock { $0.heldBytes -= units[index].byteCount }
  }

  /// Asks for what comes next, as long as there is room.
  private func pump() {
    while let (index, lane) = state.withLock({ claim(&$0) }) {
      lanes[lane].async { [self] in
        fetch(index)
        state.withLock { $0.idleLanes.append(lane) }
        underway.leave()
        pump()
      }
    }
  }

  private func claim(_ state: inout State) -> (unit: Int, lane: Int)? {
    while state.next < units.count, units[state.next].isUnknown {
      // Its reader has not finished, or not begun.
      guard state.reads[state.next] == 0 else { return nil }
      state.next += 1
    }
    guard !state.isStopped, state.next < units.count, let lane = state.idleLanes.popLast() else { return nil }
    let (index, byteCount) = (state.next, units[state.next].byteCount)
    // Whom a reader waits for comes, whatever there is: nothing else would make room.
    guard index <= state.wanted || state.heldBytes + byteCount <= limit else {
      state.idleLanes.append(lane)
      return nil
    }
    state.next += 1
    state.held.insert(index)
    state.heldBytes += byteCount
    state.mostBytes = max(state.mostBytes, state.heldBytes)
    underway.enter()
    return (index, lane)
  }

  private func fetch(_ index: Int) {
    let unit = units[index]
    var held: [FileRange] = []
    do {
      for place in unit.places {
        try place.file.hold(place.range, unless: isUnwanted)
        held.append(place)
      }
      unit.arrival.signal()
    } catch {
      // First: the room this leaves, and whom the error wakes, would let the next one come.
      abandon(error)
      for place in held { place.file.letGo(place.range) }
      state.withLock { state in
        state.held.remove(index)
        state.heldBytes -= unit.byteCount
      }
      unit.failure.withLock { $0 = error }
      unit.arrival.signal()
    }
  }

  /// Asks for nothing any more; those who wait for what is not on its way get an error.
  private func abandon(_ error: any Error) {
    let later = state.withLock { state -> ArraySlice<Unit> in
      defer { state.isStopped = true }
      return state.isStopped ? [] : units[state.next...]
    }
    for unit in later {
      unit.failure.withLock { $0 = error }
      unit.arrival.signal()
    }
  }
}

// MARK: - Which ranges come together

extension ReadAhead {
  fileprivate static func byteCount(_ places: [FileRange]) -> Int { places.reduce(0) { $0 + $1.range.count } }

  /// The same bytes in as few ranges as possible.
  fileprivate static func union(_ places: [FileRange]) -> [FileRange] {
    var result: [FileRange] = []
    for place in places.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) where !place.range.isEmpty {
      let known = result.lastIndex {
        $0.file === place.file && place.range.lowerBound <= $0.range.upperBound + gapBytes
      }
      if let known {
        let range = result[known].range
        result[known].range = range.lowerBound..<max(range.upperBound, place.range.upperBound)
      } else {
        result.append(place)
      }
    }
    return result
  }

  /// Both as one unit; nil where they are not worth it.
  fileprivate static func joined(_ first: [FileRange], _ second: [FileRange]) -> [FileRange]? {
    let both = union(first + second)
    let (old, all) = (byteCount(first), byteCount(both))
    // The same bytes once more, as of parts of one tensor.
    if all == old { return first }
    guard both.count <= max(1, first.count), all <= groupBytes || old <= smallBytes else { return nil }
    return both
  }
}

// MARK: - Reads of a conversion

/// The tensors of a conversion whose source comes over a network.
struct RemoteTensors {
  /// How the bytes of a tensor that is copied come.
  enum Copying {
    /// They are in memory, or on this machine.
    case atHand
    /// Band by band, from a read on.
    case ahead(ReadAhead, read: Int)
    /// The source is asked for them.
    case asked
  }

  let ahead: ReadAhead
  /// By tensors in the order they pass.
  private var reads: [(first: Int, count: Int, copying: Copying)] = []
  /// What is ahead beside the largest tensor that is read more than once. With all else that a conversion has in memory
  /// this is less than 96 MB.
  private static let aheadBytes = 48 << 20

  /// Nil for a source on this machine.
  init?(_ tensors: [PlannedTensor], _ source: any TensorSource) throws {
    guard source.isRemote else { return nil }
    let heldBytes = tensors.lazy.filter { $0.isReadOften }.map(\.source.location.byteCount).max() ?? 0
    var needs: [ReadAhead.Need] = []
    var found: [(first: Int, count: Int, isBanded: Bool)] = []
    for tensor in tensors {
      let new = try RemoteTensors.needs(of: tensor, source, heldBytes: heldBytes)
      found.append((needs.count, new.needs.count, new.isBanded))
      needs += new.needs
    }
    let ahead = ReadAhead(needs, limit: heldBytes + RemoteTensors.aheadBytes)
    self.ahead = ahead
    reads = found.map { (first, count, isBanded) in
      if isBanded { return (first, count, .ahead(ahead, read: first)) }
      if count == 1, case .unknown = needs[first] { return (first, count, .asked) }
      return (first, count, .atHand)
    }
  }

  private static func needs(
    of tensor: PlannedTensor, _ source: any TensorSource, heldBytes: Int
  ) throws -> (needs: [ReadAhead.Need], isBanded: Bool) {
    // Of a matrix's planes the first reads what all are made of.
    if tensor.plane > 0, !tensor.isReadOften { return ([], false) }
    // Of what is read once, what takes no more memory than the others: a checksum reads it too.
    if tensor.isReadOften || tensor.source.location.byteCount <= heldBytes {
      let found = try source.remotePlaces(of: tensor.source)
      return ([found.isEmpty ? .unknown : .places(found)], false)
    }
    guard tensor.step == .copy else { return ([.unknown], false) }
    let (file, stored) = tensor.copied(from: source)
    let bands = PlannedTensor.bands(of: stored, bandBytes)
    let known = bands.compactMap { file.remotePlace(of: $0, of: stored) }
    return known.count == bands.count ? (known.map { .places([$0]) }, true) : ([.unknown], false)
  }

  /// Waits until a tensor is in memory, but for one that is copied band by band.
  func enter(_ tensor: Int) throws {
    guard let read = wholeRead(of: tensor) else { return }
    try ahead.enter(read)
  }

  func leave(_ tensor: Int) {
    if let read = wholeRead(of: tensor) { ahead.leave(read) }
  }

  private func wholeRead(of tensor: Int) -> Int? {
    if case .ahead = reads[tensor].copying { return nil }
    return reads[tensor].count == 1 ? reads[tensor].first : nil
  }

  func copying(_ tensor: Int) -> Copying { reads[tensor].copying }
}

extension PlannedTensor {
  /// What a copied tensor is read from: blocks go on as they stand in their file, which the view shows as Float.
  func copied(from source: any TensorSource) -> (source: any TensorSource, tensor: TensorDescriptor) {
    guard encoding.blockCodec != nil || copiesStored, let view = source as? GGUFModelView else {
      return (source, self.source)
    }
    return (view.base, view.stored(self.source))
  }

  /// Its stored bytes in pieces.
  static func bands(of stored: TensorDescriptor, _ bandBytes: Int) -> [Range<Int>] {
    let count = stored.location.byteCount
    return stride(from: 0, to: count, by: bandBytes).map { $0..<min(count, $0 + bandBytes) }
  }
}
