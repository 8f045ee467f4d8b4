"""The paper's tables made anew, of runs of the scripts."""
