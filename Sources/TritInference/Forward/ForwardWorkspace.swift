// Tritsmith: buffers of a forward pass.

import TritKernels

/// Buffers of a forward pass, `[tokens, width]` each, grown when needed and kept between calls.
final class ForwardWorkspace {
  /// The residual stream.
  var hidden: [Float] = []
  var normed: [Float] = []
  var query: [Float] = []
  var key: [Float] = []
  var value: [Float] = []
  var attended: [Float] = []
  var gate: [Float] = []
  var up: [Float] = []
  /// What a sub-block adds to the residual stream.
  var added: [Float] = []
  /// Input of a projection with a norm of its own.
  var projectionInput: [Float] = []
  /// What is still to be parted: queries with their gates, or channels of a delta net.
  var mixed: [Float] = []
  /// Numbers of value heads: what is left of their states, and how much of what is new goes in.
  var decay: [Float] = []
  var rate: [Float] = []
  /// The last input in the basis of rotated weights, and which that is; nil when it is stale.
  var rotated: [Float] = []
  private(set) var rotatedInto: WeightBasis?
  /// The basis of the input that the int8 forms below are of; nil for the ordinary one.
  private(set) var quantizedBasis: WeightBasis?
  var logits: [Float] = []
  var quantized = QuantizedRows()
  /// Whether `quantized` is the int8 form of the input the next projection shares with the one before.
  private(set) var quantizedState = QuantizedState.stale
  /// The int8 form of the same input for products with group scales, and how it was made; nil when it is stale.
  var grouped = GroupedRows()
  var groupedState: GroupedState?

  /// Forgets the int8 forms of the last input.
  func forgetQuantized() { (quantizedState, groupedState) = (.stale, nil) }

  /// Forgets all forms of the last input.
  func forgetInput() {
    forgetQuantized()
    (rotatedInto, quantizedBasis) = (nil, nil)
  }

  func hasRotated(into basis: WeightBasis) { rotatedInto = basis }

  /// Says in which basis the next product takes its input.
  func use(_ basis: WeightBasis?) {
    guard quantizedBasis !== basis else { return }
    forgetQuantized()
    quantizedBasis = basis
  }

  func hasQuantized() { quantizedState = .current }

  struct GroupedState: Equatable {
    var width: Int
    var units: GroupedRows.Units
  }

  enum QuantizedState {
    case stale
    case current
  }

  static func grow(_ buffer: inout [Float], to count: Int) {
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
  }
}
