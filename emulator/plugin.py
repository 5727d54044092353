"""What the executables of the emulated providers run: `python -m emulator.plugin aws|kubernetes|random`."""

from engine.programs import leave_out_sdk

if __name__ == "__main__":
    leave_out_sdk()
    from emulator.protocol import main

    main()
