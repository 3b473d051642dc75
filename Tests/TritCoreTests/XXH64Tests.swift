// Tritsmith: XXH64 against the xxhash package of Python.

import Testing
import TritCore

@Suite("XXH64")
struct XXH64Tests {
  /// `xxhash.xxh64(bytes(i * 7 + 3 & 255 for i in range(n)), seed=s).intdigest()`, xxhash 3 from PyPI.
  private static let known: [(count: Int, seedless: UInt64, seeded: UInt64)] = [
    (0, 0xef46_db37_51d8_e999, 0x45ae_b1c8_78c0_9257), (1, 0x1f25_c8d0_bc1f_4bb6, 0xaa91_af1a_e7cf_bd84),
    (3, 0x31d2_363f_52e5_64c9, 0x5d5c_dd18_8fe1_50c3), (4, 0x9bb6_4b7d_66ee_9fda, 0x1258_3ceb_9b93_f2ef),
    (7, 0x9a7b_1499_59ce_60d8, 0xfbcf_ccdb_2850_6c76), (8, 0xdab9_9d95_c6f9_0092, 0x14ea_9a61_21d7_74ce),
    (12, 0xd52e_4078_33af_5133, 0x7a91_eef9_47b5_32e9), (31, 0xa2aa_5f33_cc4a_6119, 0xf83c_8982_eefc_198f),
    (32, 0x23c3_c17e_f790_fd97, 0x04dd_8084_f4b8_c681), (33, 0x50a7_cfc7_ba58_8784, 0xa39e_295a_7280_bcdd),
    (63, 0x5e3e_54b4_31c7_493c, 0x2531_cb1b_42db_302d), (64, 0x0eb6_4b3e_f6ee_b01f, 0x1a4f_7fa2_61da_9920),
    (100, 0xa61f_8d4c_170f_e531, 0xbc25_2249_4188_6ce4), (1000, 0x5f23_5fa0_33f1_a3fb, 0x7579_3e02_6aba_5de1),
  ]

  @Test("gives the published numbers at every branch of the algorithm")
  func matchesPython() {
    for (count, seedless, seeded) in Self.known {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
      #expect(XXH64.hash(bytes.span.bytes) == seedless, "\(count) bytes")
      #expect(XXH64.hash(bytes.span.bytes, seed: 158) == seeded, "\(count) bytes, seed 158")
    }
  }
}
