package libchdb

const libcName = "/usr/lib/libSystem.B.dylib"
