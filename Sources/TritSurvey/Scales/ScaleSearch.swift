// Tritsmith: what explains all scales of a matrix at once.

import TritCore

/// Two sides' scales of one matrix.
struct ScalePair {
  let expected: TernaryScale
  let found: TernaryScale
  let live: LiveUnits

  init(_ expected: TernaryScale, _ found: TernaryScale, _ live: LiveUnits) {
    (self.expected, self.found, self.live) = (expected, found, live)
  }

  func indices(_ unit: Int) -> (Int, Int) {
    (live.grid.index(unit, expected.granularity), live.grid.index(unit, found.granularity))
  }

  func numbers(_ unit: Int) -> (ScaleNumber, ScaleNumber) {
    let (index, other) = indices(unit)
    return (ScaleNumber(expected, index), ScaleNumber(found, other))
  }

  /// Units with a trit other than 0 and positive numbers on both sides.
  var units: some Sequence<Int> {
    (0..<live.grid.count).lazy.filter { unit in
      let (index, other) = indices(unit)
      return live.isLive[unit] && expected.multiplier(at: index) > 0 && found.multiplier(at: other) > 0
    }
  }

  /// The first unit that has another scale on one side than most of those it shares one with on the other; theirs, and
  /// whether the side with one scale for all is the first.
  var firstWithOther: (unit: Int, usual: Float, isSharedByFirst: Bool)? {
    let sides = [(expected, found, true), (found, expected, false)]
    return sides.lazy.compactMap { shared, other, isFirst in firstWithOther(shared, other, isFirst) }.min {
      $0.unit < $1.unit
    }
  }

  private func firstWithOther(
    _ shared: TernaryScale, _ scale: TernaryScale, _ isFirst: Bool
  ) -> (unit: Int, usual: Float, isSharedByFirst: Bool)? {
    guard shared.stored.count < live.grid.count else { return nil }
    // One that most have outlives all others.
    var usual = [(value: Float, votes: Int)](repeating: (0, 0), count: shared.stored.count)
    func places(_ unit: Int) -> (Int, Float) {
      let (index, other) = indices(unit)
      return isFirst ? (index, scale.multiplier(at: other)) : (other, scale.multiplier(at: index))
    }
    for unit in units {
      let (place, value) = places(unit)
      if usual[place].votes == 0 {
        usual[place] = (value, 1)
      } else {
        usual[place].votes += usual[place].value == value ? 1 : -1
      }
    }
    return units.first { unit in
      let (place, value) = places(unit)
      return usual[place].value != value
    }.map { ($0, usual[places($0).0].value, isFirst) }
  }

  /// Where the weights of a unit stand: " of row 0, column 128"; nothing where all weights are one unit.
  func place(_ unit: Int) -> String {
    let (row, column) = live.grid.place(unit)
    return live.grid.size == nil ? "" : " of row \(row)" + (live.grid.perRow > 1 ? ", column \(column)" : "")
  }

  /// How far the multipliers of a unit are apart.
  func change(_ unit: Int) -> Double {
    let (one, two) = numbers(unit)
    let (a, b) = (Double(one.multiplier), Double(two.multiplier))
    return abs(a - b) / max(a, b)
  }

  /// The largest change, by a route, or by rounding on both sides.
  func rounding(_ route: ScaleRoute?) -> ScaleRounding? {
    var worst = (change: 0.0, type: expected.storage)
    for unit in units {
      let change = change(unit)
      guard change > worst.change else { continue }
      let (one, two) = numbers(unit)
      let image = route.flatMap { $0.isForward ? $0.image(one, in: two) : $0.image(two, in: one) }
      worst = (change, image?.type ?? (one.step(of: one.type) > two.step(of: two.type) ? one.type : two.type))
    }
    let isSpread = expected.granularity != .tensor && found.granularity != .tensor
    return worst.change == 0
      ? nil : ScaleRounding(storage: worst.type, relative: worst.change, isSpread: isSpread)
  }

  /// Says of two scales that differ what one number, rounded on each side, would give.
  func masterReason(_ unit: Int, _ origin: ScaleAgreement.Origin) -> String {
    let (one, two) = numbers(unit)
    let (a, b) = (Double(one.multiplier), Double(two.multiplier))
    guard origin == .either, one.convention != two.convention, a > 0, b > 0, a.isFinite, b.isFinite,
      ScaleSearch(described, .model).level != nil
    else { return "" }
    let (factor, divisor) = one.convention == .multiply ? (one, two) : (two, one)
    let types = "as a factor in \(factor.type.rawValue), as a divisor in \(divisor.type.rawValue)"
    return " (\(ScaleRounding.parts(change(unit))) off, as one scale that was rounded in two ways may be: \(types))"
  }
}

/// The search for a route that leads from every scale of one side to its place on the other.
struct ScaleSearch {
  /// Nil where nothing explains all of them.
  private(set) var level: ScaleCertainty.Level?
  private(set) var route: ScaleRoute?
  /// The first unit that the best of all routes does not explain.
  private(set) var strange = 0
  /// Whether numbers that were rounded show it by where they stood: `StepPlaces`.
  private(set) var areEven = false

  /// What became of a route.
  private struct Trial {
    let route: ScaleRoute
    var failures = 0
    var firstFailure = 0
    /// Whether it leads to a number that many others would lead to as well; a divisor's inverse is not any number.
    var isLoose = false
    var isDivisors = false
  }

  init(_ pair: ScalePair, _ origin: ScaleAgreement.Origin) {
    var trials = ScaleRoute.all(pair.expected, pair.found, origin).map { Trial(route: $0) }
    let isModel = origin == .model
    // Of many scales a few would be explained as well that were moved.
    let isSingle = isModel && pair.expected.granularity == .tensor && pair.found.granularity == .tensor
    var master = (failures: 0, first: 0, isDistant: false)
    var last: (one: ScaleNumber, two: ScaleNumber, held: [Hold?], isMaster: Bool)?
    var (count, areBFloat16) = (0, true)
    for unit in pair.units {
      let (one, two) = pair.numbers(unit)
      count += 1
      if last?.one != one || last?.two != two {
        var isMaster = isModel && one.hasMaster(with: two)
        if isSingle, !isMaster, one.hasMaster(with: two, isDistant: true) {
          (isMaster, master.isDistant) = (true, true)
        }
        last = (one, two, ScaleSearch.holds(trials.map(\.route), one, two), isMaster)
        areBFloat16 = areBFloat16 && one.type == .bf16 && two.type == .bf16
      }
      guard let last else { continue }
      for index in trials.indices {
        switch last.held[index] {
        case nil:
          if trials[index].failures == 0 { trials[index].firstFailure = unit }
          trials[index].failures += 1
        case .any: trials[index].isLoose = true
        case .divisor: trials[index].isDivisors = true
        case .only: break
        }
      }
      guard !last.isMaster else { continue }
      if master.failures == 0 { master.first = unit }
      master.failures += 1
    }
    let limit = ScaleCertainty.share * Double(count)
    // What F16 takes may be taken from some scales alone: `--allow-scale-loss`.
    let few =
      origin == .first || areBFloat16
      ? nil
      : ScaleSearch.firm(trials).flatMap { firm in
        Double(firm.failures) < limit && pair.change(firm.firstFailure) > 0x1p-11 ? firm.firstFailure : nil
      }
    judge(trials, isModel ? master : nil, few)
    if level == .rounded, let route { areEven = StepPlaces(pair, route).areEven }
  }

  /// How a route leads to a number.
  private enum Hold {
    /// The number it begins with leaves no choice.
    case only
    /// It does by way of a divisor, or is the inverse of one; numbers beside it may lead there too.
    case divisor
    case any
  }

  /// Nil where a route leads elsewhere.
  private static func holds(_ routes: [ScaleRoute], _ one: ScaleNumber, _ two: ScaleNumber) -> [Hold?] {
    routes.map { route in
      let (from, to) = route.isForward ? (one, two) : (two, one)
      guard route.image(from, in: to)?.multiplier == to.multiplier else { return nil }
      // Few numbers are in the middle of two, and nothing else leads from one to the other.
      if route.start == .twice { return .only }
      // Where the steps of what it is rounded to are finer, neighbours lead elsewhere. A divisor on the way may stand for
      // several numbers.
      let isByDivisor = route.start == .inverse || route.start == .packed
      if to.step(of: route.coarsest(to.storage)) <= (isByDivisor ? 0.9 : 1 + 1e-6) * from.step(of: from.storage) {
        return isByDivisor ? .divisor : .only
      }
      return from.divisor != nil ? .divisor : .any
    }
  }

  /// The route that leaves no choice and explains most.
  private static func firm(_ trials: [Trial]) -> Trial? {
    trials.filter { !$0.isLoose }.min { $0.failures < $1.failures }
  }

  /// - Parameter few: the first of a few scales that are not what the many are; nil where there are none.
  private mutating func judge(_ trials: [Trial], _ master: (failures: Int, first: Int, isDistant: Bool)?, _ few: Int?) {
    let firmest = trials.filter { $0.failures == 0 && !$0.isLoose }
    if let sure = firmest.first(where: { !$0.isDivisors }) ?? firmest.first {
      (level, route) = (sure.isDivisors ? .divisor : .sure, sure.route)
      return
    }
    let best = trials.min { $0.failures < $1.failures }
    if let few {
      strange = few
    } else if let best, best.failures == 0 {
      (level, route) = (.rounded, best.route)
    } else if let master, master.failures == 0 {
      level = master.isDistant ? .distant : .common
    } else if let master, master.failures < best?.failures ?? .max {
      strange = master.first
    } else {
      strange = best?.firstFailure ?? 0
    }
  }
}
