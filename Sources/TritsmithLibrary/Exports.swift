// Tritsmith: one import for everything a program needs.

@_exported import TritConversion
@_exported import TritCore
@_exported import TritEvaluation
@_exported import TritFormats
@_exported import TritInference
@_exported import TritInspection
@_exported import TritKernels
@_exported import TritLayouts
@_exported import TritQuantizers
@_exported import TritReport
@_exported import TritSurvey
@_exported import TritTokenizer
@_exported import TritVerification
