"""Train a velocity predictor and judge it by rollouts: ``python train.py model=3vR0 system=HCl``."""

from mlmd.cli.entry import run

if __name__ == "__main__":
    run("train")
