// Tritsmith: how trits become bytes and bytes trits.

import TritCore
import TritKernels

/// Rows that must be packed together, and the bytes they become.
package struct LayoutBand: Sendable, Equatable {
  /// Inside the tensor's storage.
  package var bytes: Range<Int>
  /// Row ranges in the order their trits are stacked for `pack`.
  package var rows: [Range<Int>]
  /// Columns of each of them where rows are long and cut into pieces (`TensorShape.hasLongRows`); else empty.
  package var columns: [Range<Int>]

  package init(bytes: Range<Int>, rows: [Range<Int>], columns: [Range<Int>] = []) {
    self.bytes = bytes
    self.rows = rows
    self.columns = columns
  }

  package var rowCount: Int { rows.reduce(0) { $0 + $1.count } }

  /// The parts of the matrix whose trits are stacked, in order.
  package func parts(of shape: TensorShape) -> [MatrixBand] {
    columns.isEmpty
      ? rows.map { shape.band($0) } : zip(rows, columns).map { shape.band($1, ofRow: $0.lowerBound) }
  }

  /// Trits of all parts.
  package func count(_ shape: TensorShape) -> Int {
    columns.isEmpty ? rowCount * shape.columns : columns.reduce(0) { $0 + $1.count }
  }
}

/// Consecutive rows and the bytes that hold them.
package struct RowRun: Sendable, Equatable {
  package var rows: Range<Int>
  /// Inside the tensor's storage.
  package var bytes: Range<Int>
  /// Which place of each byte holds these rows, for layouts that join rows in a byte; of columns that are a part of a
  /// row, which place holds them.
  package var plane: Int
  /// Columns of the one row where a row is read in pieces; nil for whole rows.
  package var columns: Range<Int>?

  package init(rows: Range<Int>, bytes: Range<Int>, plane: Int, columns: Range<Int>? = nil) {
    (self.rows, self.bytes, self.plane, self.columns) = (rows, bytes, plane, columns)
  }

  /// How many trits it holds.
  package func count(_ shape: TensorShape) -> Int { rows.count * (columns?.count ?? shape.columns) }

  /// Where its trits begin among those of a band.
  package func start(in band: MatrixBand, _ shape: TensorShape) -> Int {
    rows.lowerBound * shape.columns + (columns?.lowerBound ?? 0) - band.elements.lowerBound
  }
}

/// A way to store a ternary matrix of shape `[rows, columns]`.
///
/// Packing works on bands, because some layouts join rows far apart in one byte; unpacking works on any range of
/// rows. Scales are stored elsewhere, or among the codes at places the layout names (see `EmbeddedScales.swift`).
package protocol TernaryLayout: Sendable {
  var id: LayoutID { get }
  /// One line for lists and reports.
  var summary: String { get }

  /// Throws when a matrix cannot be stored this way.
  func check(_ shape: TensorShape) throws(LayoutError)

  /// Bytes of a matrix that `check` accepts.
  func byteCount(_ shape: TensorShape) -> Int

  /// Bands of about `rowsPerBand` rows that together hold every row and byte once, in order of their bytes.
  func bands(_ shape: TensorShape, rowsPerBand: Int) -> [LayoutBand]

  /// Packs a band. `trits` is `[band.rowCount, columns]`, stacked as `band.rows` says; `bytes` is as long as the band.
  func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>)

  /// Where a range of rows is stored, in row order.
  func runs(_ rows: Range<Int>, _ shape: TensorShape) -> [RowRun]

  /// Where columns of a row are stored, in order. Only of long rows: layouts that hold none refuse them in `check`.
  func runs(columns: Range<Int>, ofRow row: Int, _ shape: TensorShape) -> [RowRun]

  /// Unpacks a run: `bytes` is what `run.bytes` names; its `run.count(shape)` trits are put at `start`.
  ///
  /// - Returns: how many codes were invalid; their trits have no meaning.
  func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int

  /// Where the scales are; `beside` for layouts that hold codes alone.
  var scalePlacement: ScalePlacement { get }

  /// Offset of an embedded scale from the tensor's first byte; scales are counted as `ScaleGranularity` counts them.
  func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int

  /// Throws when a matrix could be stored this way and read back, but no program that runs such files reads it right.
  func checkForWriting(_ shape: TensorShape) throws(LayoutError)

  /// Bytes of one row where every row is a run of bytes of its own, in row order from the first byte on; else nil.
  func contiguousRowBytes(_ shape: TensorShape) -> Int?

  /// The ggml type number in GGUF files; nil for layouts of other formats.
  var ggmlType: UInt32? { get }

  /// Blocks of a row, where rows are nothing but blocks with a scale in each; else nil.
  var blockGeometry: BlockGeometry? { get }

  /// Codes of a block of zeros where such a block is stored with scale 0, whatever scale it had; nil where its scale
  /// is kept. The scale of zeros says nothing, and files compare equal only if one rule decides it.
  var zeroCodes: [UInt8]? { get }
}

extension TernaryLayout {
  package func runs(columns: Range<Int>, ofRow row: Int, _ shape: TensorShape) -> [RowRun] {
    preconditionFailure("layout \(id) refuses rows of \(shape.columns) weights")
  }

  /// Where a band is stored, in row order.
  package func runs(_ band: MatrixBand, _ shape: TensorShape) -> [RowRun] {
    band.isWhole ? runs(band.rows, shape) : runs(columns: band.columns, ofRow: band.rows.lowerBound, shape)
  }

  /// For `check`: throws where rows are too long to be read whole.
  func checkRowLength(_ shape: TensorShape) throws(LayoutError) {
    guard !shape.hasLongRows else { throw LayoutError(.rowTooLong(columns: shape.columns), layout: id) }
  }

  /// Unpacks a run to the beginning of the output.
  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>
  ) -> Int {
    unpack(bytes, run, shape, with: kernels, into: &trits, at: 0)
  }
}

/// A matrix does not fit a layout.
package typealias LayoutError = Diagnostic<LayoutErrorKind>

/// What a layout does not take.
package struct LayoutErrorKind: DiagnosticKind {
  /// What went wrong.
  package enum Reason: Sendable, Equatable {
    case notAMatrix(rank: Int)
    case rowsNotMultiple(rows: Int, of: Int)
    case columnsNotMultiple(columns: Int, of: Int)
    case elementsNotMultiple(elements: Int, of: Int)
    case noElements
    case tooLarge(rows: Int, columns: Int)
    case rowTooLong(columns: Int)
  }

  package let reason: Reason
  package let layout: LayoutID

  package var summary: String {
    switch reason {
    case .notAMatrix(let rank): "layout \(layout) stores matrices, this tensor has \(rank) dimensions"
    case .rowsNotMultiple(let rows, let multiple):
      "layout \(layout) needs a multiple of \(multiple) rows, this tensor has \(rows)"
    case .columnsNotMultiple(let columns, let multiple):
      "layout \(layout) needs rows of a multiple of \(multiple) weights, this tensor has rows of \(columns)"
    case .elementsNotMultiple(let elements, let multiple):
      "layout \(layout) needs a multiple of \(multiple) weights, this tensor has \(elements)"
    case .noElements: "layout \(layout) cannot hold a tensor without weights"
    case .tooLarge(let rows, let columns): "\(rows) × \(columns) is too large for layout \(layout)"
    case .rowTooLong(let columns):
      "layout \(layout) takes rows of at most \(TensorShape.longestRow) weights, this tensor has rows of \(columns)"
    }
  }

  package var remedy: String? { "keep the tensor dense (--keep), or write TritPack, which takes any size" }
  package var category: ErrorCategory { .malformedInput }
}

extension LayoutError {
  package init(_ reason: Kind.Reason, layout: LayoutID, location: ErrorLocation = ErrorLocation()) {
    self.init(Kind(reason: reason, layout: layout), location: location)
  }
}
