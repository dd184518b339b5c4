# Which Terraform and which provider; the state stays beside these files until a backend is given.
terraform {
  # 1.5: plantimestamp().
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = var.name }
  }
}
