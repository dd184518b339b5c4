# For CMAKE_PROJECT_INCLUDE: one run of the compiler for each typesupport of a package of messages,
# not one for each message. They spend their time on headers: vision_msgs takes 41 s of CPU, not 66.
# Other targets repeat names from file to file.
#
# UNITY_BUILD would name the files by absolute paths, which no other clone has: a cache of compilations
# finds them again by relative ones.
function(join_sources)
  foreach(kind IN ITEMS typesupport_cpp typesupport_fastrtps_c typesupport_fastrtps_cpp)
    set(target ${PROJECT_NAME}__rosidl_${kind})
    if(NOT TARGET ${target})
      continue()
    endif()
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "\\.cpp$")
    set(includes "")
    foreach(source IN LISTS sources)
      file(RELATIVE_PATH name "${PROJECT_BINARY_DIR}" "${source}")
      string(APPEND includes "#include \"${name}\"\n")
    endforeach()
    set_source_files_properties(${sources} PROPERTIES HEADER_FILE_ONLY ON)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/${target}.cpp" CONTENT "${includes}")
    target_sources(${target} PRIVATE "${PROJECT_BINARY_DIR}/${target}.cpp")
    target_include_directories(${target} PRIVATE "${PROJECT_BINARY_DIR}")
  endforeach()
endfunction()
cmake_language(DEFER CALL join_sources)
