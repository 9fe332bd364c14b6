"""The reward that config.yaml names: {{ t.what }}, from `infalign serve`."""

from infalign.service import ServedReward

reward = ServedReward("{{ t.service }}")
