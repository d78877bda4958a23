# For an embedder who builds with CMake: names the core's sources and include paths, and builds nothing. Include
# it, and compile OBJRMAP_SOURCES with your om_arch.h and your flags, or less than all of them: see below.
# scripts/check-embed.sh keeps the lists.
set(OBJRMAP_DIR ${CMAKE_CURRENT_LIST_DIR})
set(OBJRMAP_VERSION 0.1)
set(OBJRMAP_INCLUDES ${OBJRMAP_DIR}/include ${OBJRMAP_DIR}/src)

# The parts. What they need of each other is said in docs/porting.md, "How small can it be".

# Memory on demand, copy-on-write fork, mmap, munmap, mprotect, brk, om_read() and its kin, pins, figures
set(OBJRMAP_CORE
  ${OBJRMAP_DIR}/src/area/copy.c
  ${OBJRMAP_DIR}/src/area/limits.c
  ${OBJRMAP_DIR}/src/area/mm.c
  ${OBJRMAP_DIR}/src/area/trim.c
  ${OBJRMAP_DIR}/src/area/unmap.c
  ${OBJRMAP_DIR}/src/area/unshare.c
  ${OBJRMAP_DIR}/src/area/vma.c
  ${OBJRMAP_DIR}/src/area/vma_place.c
  ${OBJRMAP_DIR}/src/area/zap.c
  ${OBJRMAP_DIR}/src/area/zap_folded.c
  ${OBJRMAP_DIR}/src/base/bug.c
  ${OBJRMAP_DIR}/src/base/held.c
  ${OBJRMAP_DIR}/src/base/part.c
  ${OBJRMAP_DIR}/src/base/sleep.c
  ${OBJRMAP_DIR}/src/base/spin.c
  ${OBJRMAP_DIR}/src/base/tree.c
  ${OBJRMAP_DIR}/src/ops/access.c
  ${OBJRMAP_DIR}/src/ops/address_space.c
  ${OBJRMAP_DIR}/src/ops/cow.c
  ${OBJRMAP_DIR}/src/ops/foldfault.c
  ${OBJRMAP_DIR}/src/ops/fault.c
  ${OBJRMAP_DIR}/src/ops/fetch.c
  ${OBJRMAP_DIR}/src/ops/fork.c
  ${OBJRMAP_DIR}/src/ops/mmap.c
  ${OBJRMAP_DIR}/src/ops/mprotect.c
  ${OBJRMAP_DIR}/src/ops/own.c
  ${OBJRMAP_DIR}/src/page/frame.c
  ${OBJRMAP_DIR}/src/page/frame_cache.c
  ${OBJRMAP_DIR}/src/page/owners.c
  ${OBJRMAP_DIR}/src/page/page.c
  ${OBJRMAP_DIR}/src/page/put.c
  ${OBJRMAP_DIR}/src/page/runs.c
  ${OBJRMAP_DIR}/src/page/share.c
  ${OBJRMAP_DIR}/src/page/fold.c
  ${OBJRMAP_DIR}/src/page/slab.c
  ${OBJRMAP_DIR}/src/page/table.c
  ${OBJRMAP_DIR}/src/page/table_free.c
  ${OBJRMAP_DIR}/src/page/unevictable.c
  ${OBJRMAP_DIR}/src/rmap/anon_page.c
  ${OBJRMAP_DIR}/src/rmap/area.c
  ${OBJRMAP_DIR}/src/rmap/i_mmap.c
  ${OBJRMAP_DIR}/src/rmap/objrmap.c
  ${OBJRMAP_DIR}/src/rmap/probe.c
  ${OBJRMAP_DIR}/src/rmap/walk.c
  ${OBJRMAP_DIR}/src/stat.c
  ${OBJRMAP_DIR}/src/system.c
)

# Mremap, madvise, mlock and its kin
set(OBJRMAP_CALLS
  ${OBJRMAP_DIR}/src/ops/advise_io.c
  ${OBJRMAP_DIR}/src/ops/madvise.c
  ${OBJRMAP_DIR}/src/ops/mlock.c
  ${OBJRMAP_DIR}/src/ops/move.c
  ${OBJRMAP_DIR}/src/ops/mremap.c
)

# For swap and for files
set(OBJRMAP_RECLAIM
  ${OBJRMAP_DIR}/src/reclaim/balance.c
  ${OBJRMAP_DIR}/src/reclaim/hand.c
  ${OBJRMAP_DIR}/src/reclaim/reclaim.c
  ${OBJRMAP_DIR}/src/reclaim/request.c
  ${OBJRMAP_DIR}/src/reclaim/scan.c
  ${OBJRMAP_DIR}/src/reclaim/tables.c
  ${OBJRMAP_DIR}/src/reclaim/unmap.c
  ${OBJRMAP_DIR}/src/reclaim/writers.c
)

# Swap devices
set(OBJRMAP_SWAP
  ${OBJRMAP_DIR}/src/ops/swapfault.c
  ${OBJRMAP_DIR}/src/ops/swapoff.c
  ${OBJRMAP_DIR}/src/store/slots.c
  ${OBJRMAP_DIR}/src/store/swap.c
  ${OBJRMAP_DIR}/src/store/swapahead.c
  ${OBJRMAP_DIR}/src/store/swapcache.c
  ${OBJRMAP_DIR}/src/store/swapdev.c
  ${OBJRMAP_DIR}/src/store/swapin.c
)

# Files and shared memory
set(OBJRMAP_FILES
  ${OBJRMAP_DIR}/src/ops/filefault.c
  ${OBJRMAP_DIR}/src/ops/fileio.c
  ${OBJRMAP_DIR}/src/ops/msync.c
  ${OBJRMAP_DIR}/src/ops/punch.c
  ${OBJRMAP_DIR}/src/ops/resize.c
  ${OBJRMAP_DIR}/src/ops/truncate.c
  ${OBJRMAP_DIR}/src/store/getpage.c
  ${OBJRMAP_DIR}/src/store/index.c
  ${OBJRMAP_DIR}/src/store/mapping.c
  ${OBJRMAP_DIR}/src/store/readahead.c
)

# Remap_file_pages
set(OBJRMAP_NONLINEAR
  ${OBJRMAP_DIR}/src/ops/nonlinear.c
  ${OBJRMAP_DIR}/src/reclaim/sweep.c
)

# om_verify()
set(OBJRMAP_VERIFY
  ${OBJRMAP_DIR}/src/verify/verify.c
  ${OBJRMAP_DIR}/src/verify/verify_frame.c
  ${OBJRMAP_DIR}/src/verify/verify_scan.c
  ${OBJRMAP_DIR}/src/verify/verify_slot.c
  ${OBJRMAP_DIR}/src/verify/verify_store.c
  ${OBJRMAP_DIR}/src/verify/verify_table.c
  ${OBJRMAP_DIR}/src/verify/verify_vma.c
)

# In the place of a part that is left out.
set(OBJRMAP_NO_RECLAIM ${OBJRMAP_DIR}/tiers/no_reclaim.c)
set(OBJRMAP_NO_SWAP ${OBJRMAP_DIR}/tiers/no_swap.c)
set(OBJRMAP_NO_FILES ${OBJRMAP_DIR}/tiers/no_files.c)
set(OBJRMAP_NO_NONLINEAR ${OBJRMAP_DIR}/tiers/no_nonlinear.c)

# All of it.
set(OBJRMAP_SOURCES ${OBJRMAP_CORE} ${OBJRMAP_CALLS} ${OBJRMAP_RECLAIM} ${OBJRMAP_SWAP} ${OBJRMAP_FILES}
  ${OBJRMAP_NONLINEAR} ${OBJRMAP_VERIFY})

# Less than that. To each of them OBJRMAP_CALLS and OBJRMAP_VERIFY may be added.
set(OBJRMAP_TIER_CORE ${OBJRMAP_CORE} ${OBJRMAP_NO_RECLAIM} ${OBJRMAP_NO_SWAP} ${OBJRMAP_NO_FILES})
set(OBJRMAP_TIER_SWAP ${OBJRMAP_CORE} ${OBJRMAP_RECLAIM} ${OBJRMAP_SWAP} ${OBJRMAP_NO_FILES}
  ${OBJRMAP_NO_NONLINEAR})
set(OBJRMAP_TIER_FILES ${OBJRMAP_CORE} ${OBJRMAP_RECLAIM} ${OBJRMAP_FILES} ${OBJRMAP_NO_SWAP}
  ${OBJRMAP_NO_NONLINEAR})
set(OBJRMAP_TIER_SWAP_FILES ${OBJRMAP_CORE} ${OBJRMAP_RECLAIM} ${OBJRMAP_SWAP} ${OBJRMAP_FILES}
  ${OBJRMAP_NO_NONLINEAR})
