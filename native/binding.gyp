{
  "targets": [
    {
      "target_name": "tocsin",
      "sources": ["src/addon.cc", "src/kernel.cc", "src/log.cc", "src/ring.cc", "src/waiter.cc"],
      "include_dirs": ["include", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags_cc!": ["-std=gnu++17"],
      "cflags_cc": ["-std=gnu++20", "-fno-exceptions", "-Wall", "-Wextra", "-Wno-unused-parameter", "-O2"],
      "ldflags": ["-Wl,--disable-new-dtags,-rpath,'$$ORIGIN'"],
      "libraries": ["-lbpf"]
    }
  ]
}
