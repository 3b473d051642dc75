// Opens a model, lists its tensors, converts it, and gets logits: swift run TenLines MODEL OUTPUT
import Tritsmith

let model = try Model.open(CommandLine.arguments[1])
for tensor in model.tensors { print(tensor.name, tensor.shape, tensor.encoding.name) }
let packed = try model.convert(to: .tritpack, at: CommandLine.arguments[2])
print("same trits:", try packed.verify(against: model).passed)
let logits = try packed.logits(for: "In the beginning")
let next = logits.indices.max { logits[$0] < logits[$1] } ?? 0
print("next:", try packed.tokenizer().decode([next]))
