// Quantizes a matrix, packs it in three layouts, and reads it back: swift run PackByHand
import Tritsmith

let weights = (0..<256 * 256).map { (index: Int) -> Float in Float(index * 37 % 511 - 255) / 256 }
let matrix = try TritMatrix(quantizing: weights, rows: 256, columns: 256)
print("scale:", matrix.scale.stored[0], matrix.scale.convention.rawValue)
for name in ["hf-packed", "base3", "two-bit"] {
  let layout = LayoutID(rawValue: name)
  let bytes = try matrix.packed(as: layout)
  let again = try TritMatrix(unpacking: bytes, as: layout, rows: 256, columns: 256, scale: matrix.scale)
  print("\(name): \(bytes.count) bytes, \(again == matrix ? "equal" : "different") when read back")
}
