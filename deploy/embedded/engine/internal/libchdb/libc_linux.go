package libchdb

const libcName = "libc.so.6"
