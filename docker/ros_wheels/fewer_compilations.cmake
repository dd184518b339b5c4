# For CMAKE_PROJECT_INCLUDE: one run of the compiler for each typesupport of a package of messages,
# not one for each message. They spend their time on headers: vision_msgs takes 41 s of CPU, not 66.
# Other targets repeat names from file to file.
function(join_sources)
  foreach(kind IN ITEMS typesupport_cpp typesupport_fastrtps_c typesupport_fastrtps_cpp)
    if(TARGET ${PROJECT_NAME}__rosidl_${kind})
      set_target_properties(${PROJECT_NAME}__rosidl_${kind} PROPERTIES
        UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL join_sources)
